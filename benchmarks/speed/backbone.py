"""An outer step on a backbone's stored features, beside one that computes the frozen backbone.

    python benchmarks/speed/backbone.py [--rounds 5] [--seconds 5] [--method protonet]

Random images in 40 classes of 20, 84 x 84, in colour. The backbone has 2 M parameters (four
convolutions with stride 2, 64 to 512 channels, then 1024 features). Behind it is a dense layer of
64 units, which alone is trained. An outer step has 16 tasks, 5-way 1-shot with 15 queries a class,
in this process with one thread, from drawing tasks to Adam's update.

Both train with the same tasks. They take turns: each round times as many steps of each as fit in
--seconds, at least one. What is printed is the median over rounds of each, and of the ratio in the
same round; and the largest difference of their predictions for test tasks, at the same theta.
Computing the features is not part of a step: its time is printed by itself.
"""

import argparse
import functools
import io
import itertools
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import frozen_models
import numpy as np
from PIL import Image

from orchestrator.config.schema import MetaConfig, validate
from orchestrator.loop import meta_train
from orchestrator.outer.blocks import held_out_blocks
from orchestrator.outer.update import OuterUpdate
from orchestrator.run.launch import Launch, launch
from workers.execution import runtime
from workers.tasks.registry import make_family
from workers.wire.protocol import Recipe

HERE = str(Path(__file__).parent)
CLASSES, IMAGES = 40, 20
MODELS: dict[str, dict[str, Any]] = {
    "stored": {"kind": "mlp", "hidden": [frozen_models.HIDDEN]},
    "through": {"kind": "keras", "source": "frozen_models:through"},
}
METHODS: dict[str, dict[str, Any]] = {
    "protonet": {"kind": "protonet"},
    "ridge": {"kind": "ridge"},
    "maml": {"kind": "maml", "inner_lr": 0.1, "first_order": True},
    "anil": {"kind": "anil", "inner_lr": 0.1},
}


def write_images(file: Path, size: int) -> None:
    """Write random images as PNG."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(file, "w") as archive:
        for label, number in itertools.product(range(CLASSES), range(IMAGES)):
            content = io.BytesIO()
            pixels = rng.integers(0, 256, (size, size, 3), np.uint8)
            Image.fromarray(pixels).save(content, "png", compress_level=1)
            archive.writestr(f"c{label:02}/{number:02}.png", content.getvalue())


def configuration(name: str, method: str, folder: Path) -> MetaConfig:
    """Make the configuration of one of `MODELS`."""
    backbone = {"backbone": "frozen_models:backbone"} if name == "stored" else {}
    closed_form = method in ("protonet", "ridge")
    return validate(
        {
            "task": {
                "kind": "images",
                "path": str(folder / "images.zip"),
                "cache": str(folder),
                "ways": 5,
                "shots": 1,
                "queries": 15,
                "channels": 3,
                "image_size": frozen_models.SIZE,
            },
            "model": {**MODELS[name], **backbone, "folder": HERE},
            "algorithm": METHODS[method],
            "outer": {"meta_batch_size": 16, "steps": 10**6, "lr": 1e-3, "schedule": "constant"},
            "workers": {"count": 0, "block_size": 16},
            "evaluation": {"inner_steps": [1]} if closed_form else {"inner_steps": [1, 3]},
        }
    )


def opened(config: MetaConfig) -> Launch:
    """Open a run's tasks and pool."""
    family = make_family(config.task, config.model)
    return launch(config, family, {}, say=lambda text: None)


def steps_of(launched: Launch) -> Iterator[Any]:
    """Yield the outer steps of a run without end."""
    outer = OuterUpdate(launched.config.outer, launched.initial_state())
    return meta_train(launched.config, launched.family, launched.pool, outer)


def seconds_a_step(steps: Iterator[Any], seconds: float) -> float:
    """Time steps until `seconds` have passed."""
    began, took, done = time.perf_counter(), 0.0, 0
    while took < seconds:
        next(steps)
        took, done = time.perf_counter() - began, done + 1
    return took / done


def predictions(launched: Launch, weights: Any) -> np.ndarray:
    """Compute the outputs for the queries of a block of test tasks."""
    recipe = Recipe(0.1, 1)
    blocks = held_out_blocks(launched.config, launched.family, "test", 16, recipe, "predict")
    (contribution,) = launched.pool.run(weights, blocks[:1])
    return contribution.metrics["outputs"]


def main() -> None:
    """Print the time of a step of each, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--method", choices=METHODS, default="protonet")
    given = parser.parse_args()
    runtime.start_tensorflow(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder / "images.zip", frozen_models.SIZE)
        of = functools.partial(configuration, method=given.method, folder=folder)
        make_family(of("through").task)  # decodes the images
        began = time.perf_counter()
        runs = {"stored": opened(of("stored"))}
        print(f"features of {CLASSES * IMAGES} images: {time.perf_counter() - began:.1f} s")
        runs["through"] = opened(of("through"))
        weights = runs["stored"].initial_state().weights
        outputs = [predictions(launched, weights) for launched in runs.values()]
        print(f"largest difference of predictions: {np.abs(outputs[0] - outputs[1]).max():.2g}")
        steps = {name: steps_of(launched) for name, launched in runs.items()}
        for each in steps.values():
            next(each)  # compiles
        times: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(given.rounds):
            for name, each in steps.items():
                times[name].append(seconds_a_step(each, given.seconds))
    for name, found in times.items():
        print(f"{name:8} {median(found) * 1e3:10.2f} ms a step")
    ratios = [slow / fast for slow, fast in zip(times["through"], times["stored"], strict=True)]
    print(f"{given.method}: through the backbone {median(ratios):.0f} x as long a step")


if __name__ == "__main__":
    main()
