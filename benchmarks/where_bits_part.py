"""Where the bits of two machines part: hashes of each stage of a run's first steps, to compare.

    python benchmarks/where_bits_part.py omniglot-5w1s --out here.json
    python benchmarks/where_bits_part.py omniglot-5w1s --against here.json   # on the other machine

In order: the tasks that are drawn, the initial weights, the output and the gradient of each layer
by itself, the outer gradient of the first block by weight, and the weights after one and after
three outer steps.
The first line that differs names the library and the kernel to look at: tasks come from numpy, a
layer from TensorFlow's kernel for it, an outer gradient alone from how XLA compiles the block, and
weights alone from the outer optimizer. The command ends with exit code 1 if a line differs.

Variables such as ONEDNN_MAX_CPU_ISA make another machine of this one; `--set runtime.isa=avx2`
needs the variables that the error names.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

STEPS = (1, 3)
_FEW = ("evaluation.tasks=2", "evaluation.validation_tasks=2", "workers.count=0")


def main() -> None:
    """Compute the hashes, and write or compare them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("preset")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--against", type=Path)
    arguments = parser.parse_args()
    hashes = dict(stages(arguments.preset, [*_FEW, *arguments.set]))
    there = json.loads(arguments.against.read_text()) if arguments.against else hashes
    differing = [name for name in hashes | there if hashes.get(name) != there.get(name)]
    for name, value in hashes.items():
        print(f"{value}  {name}{'   DIFFERS' if name in differing else ''}")
    whole = hashlib.sha256("".join(hashes.values()).encode()).hexdigest()[:16]
    print(f"{whole}  all {len(hashes)} lines")
    if arguments.against:
        first = f"the first of them: {differing[0]}" if differing else "the bits are equal"
        print(f"{len(differing)} of {len(hashes)} lines differ; {first}")
    if arguments.out:
        arguments.out.write_text(json.dumps(hashes, indent=1))
    sys.exit(bool(differing))


def stages(preset: str, settings: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, hash) of each stage."""
    from orchestrator.config.schema import load
    from orchestrator.outer.blocks import train_blocks
    from orchestrator.run.opening import check_machine
    from workers.execution import runtime

    config, _ = load(preset, settings)
    check_machine(config)
    runtime.start_tensorflow(0)
    from workers.block import BlockRunner
    from workers.meta_parameters import initial
    from workers.tasks.registry import make_family
    from workers.wire.protocol import Weights
    from workers.wire.tensors import from_vector, to_vector

    family = make_family(config.task, config.model)
    block = train_blocks(config, family, 0)[0]
    for name, values in sorted(block.specs.items()):
        yield f"tasks: {name}", hash_of(values)
    start = initial(config.worker, family)
    for name, array in zip(start.names, start.theta, strict=True):
        yield f"initial weights: {name}", hash_of(array)
    runner = BlockRunner(config.worker, family)
    yield from layers(runner.train_model.keras_model)
    sums = runner.run(Weights(to_vector(start.theta), to_vector(start.carry), 0), block)
    shapes = [array.shape for array in start.theta]
    for name, array in zip(start.names, from_vector(sums.gradient, shapes), strict=True):
        yield f"outer gradient of a block: {name}", hash_of(array)
    yield from trained(preset, settings)


def layers(model: Any) -> Iterator[tuple[str, str]]:
    """Yield the hashes of each layer's output, and of its gradient, on fixed inputs of its own."""
    import keras
    import tensorflow as tf

    calls: list[tuple[Any, Any]] = []
    original = keras.layers.Layer.__call__

    def recorded(layer: Any, *inputs: Any, **options: Any) -> Any:
        if not layer._layers and len(inputs) == 1 and tf.is_tensor(inputs[0]):
            calls.append((layer, inputs[0]))
        return original(layer, *inputs, **options)

    keras.layers.Layer.__call__ = recorded
    try:
        inputs = [fixed(each.shape[1:], each.dtype) for each in model.inputs]
        model(inputs if len(inputs) > 1 else inputs[0])
    finally:
        keras.layers.Layer.__call__ = original
    for layer, value in calls:
        floating = value.dtype.is_floating
        value = fixed(value.shape[1:], value.dtype.name) if floating else value
        with tf.GradientTape() as tape:
            tape.watch(value)
            output = layer(value)
            total = tf.reduce_sum(tf.square(output)) if tf.is_tensor(output) else None
        yield f"layer {layer.name}: output", hash_of(output)
        wanted = [value] * floating + layer.trainable_variables
        for number, gradient in enumerate(tape.gradient(total, wanted) if wanted else []):
            if gradient is not None:
                yield (
                    f"layer {layer.name}: gradient {number}",
                    hash_of(tf.convert_to_tensor(gradient)),
                )


def fixed(shape: Any, dtype: str) -> Any:
    """Make numbers between -0.5 and 0.5 from whole ones, [6, *shape]; tokens if they are whole."""
    import tensorflow as tf

    shape = (6, *(size or 8 for size in shape))
    whole = (np.arange(np.prod(shape), dtype=np.int64) * 7919 + 17) % 1013
    if "int" in dtype:
        return tf.constant((whole % 29).reshape(shape).astype(dtype))
    return tf.constant((whole / 1013 - 0.5).reshape(shape).astype(dtype))


def trained(preset: str, settings: list[str]) -> Iterator[tuple[str, str]]:
    """Train so many steps as `metatrain train` does, and yield hashes of all weights."""
    from orchestrator.storage import checkpoint
    from orchestrator.storage.storage import Storage

    for steps in STEPS:
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-m", "metatrain", "train", preset, "--out", f"{folder}/run"]
            for setting in (*settings, f"outer.steps={steps}"):
                words += ["--set", setting]
            subprocess.run(words, check=True, capture_output=True)
            state, _ = checkpoint.load(Storage(f"{folder}/run"), f"ckpt-{steps:08d}")
        for weight, array in zip(state.names, state.theta, strict=True):
            yield f"after step {steps}: {weight}", hash_of(array)


def hash_of(value: Any) -> str:
    """Return the first 16 digits of the sha256 of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(np.asarray(value)).tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    main()
