"""The time of one adaptation, warm, on one core.

    python benchmarks/adapt.py
    python benchmarks/adapt.py --exported FILE.metatrain --classes 8

conv4 with 64 filters as in the preset omniglot-5w1s, at its initial weights (they do not matter
for the time), 5-way 1-shot, 28 x 28 images, 5 inner steps of first order: `Learner.adapt`, from
arrays to adapted weights, and `predict` for 15 queries.

With `--exported` a file that `metatrain export` wrote, of images: loading it, its first adaptation
with compilation, and further ones, each to so many classes of 5 random images.
"""

import os
import statistics
import time

import numpy as np
import typer

from orchestrator.adaptation import artefact
from orchestrator.adaptation.artefact import Artefact
from orchestrator.config.schema import load
from orchestrator.learner import Learner
from orchestrator.outer.state import MetaState
from workers.execution import runtime
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.user_tasks import UserTaskFamily
from workers.wire.protocol import Recipe

_WARM_UP = 5


def main(
    repeats: int = 100,
    inner_steps: int = 5,
    exported: str = "",
    classes: int = 8,
) -> None:
    """Print medians and the slowest tenth, in milliseconds."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    runtime.start_tensorflow(0)
    if exported:
        _adapt_exported(exported, classes, repeats)
        return
    from workers.meta_parameters import initial

    config, _ = load("omniglot-5w1s")
    examples = UserTaskShapes(loss="cross_entropy", input_shape=(28, 28, 1), num_outputs=5)
    worker = config.worker.model_copy(update={"task": examples})
    start = initial(worker, UserTaskFamily(examples))
    state = MetaState(0, start.theta, start.names)
    learner = Learner(Artefact(config, examples, Recipe(0.4, inner_steps), state, {}, "initial"))
    images = np.random.default_rng(0).random((20, 28, 28, 1), np.float32)
    support, queries, labels = images[:5], images[5:], list("abcde")
    predictor = learner.adapt(support, labels)
    _measure("adapt", lambda: learner.adapt(support, labels), repeats)
    _measure("predict 15 queries", lambda: predictor.predict_proba(queries), repeats)


def _adapt_exported(file: str, classes: int, repeats: int) -> None:
    began = time.perf_counter()
    source = artefact.load(file)
    learner = Learner(source)
    print(f"loading: {time.perf_counter() - began:.2f} s")
    rng = np.random.default_rng(0)
    shape = (classes * 5, *source.examples.input_shape)
    labels = [f"class {i}" for i in range(classes) for _ in range(5)]
    images = rng.random(shape, np.float32)
    began = time.perf_counter()
    predictor = learner.adapt(images, labels)
    print(f"first adaptation to {classes} classes: {time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    predictor.predict(images[:8])
    print(f"first prediction: {time.perf_counter() - began:.2f} s")
    _measure(f"adapt to {classes} classes", lambda: learner.adapt(images, labels), repeats)


def _measure(what: str, call: object, repeats: int) -> None:
    assert callable(call)
    taken_ms = []
    for _ in range(_WARM_UP + repeats):
        began = time.perf_counter()
        call()
        taken_ms.append((time.perf_counter() - began) * 1e3)
    warm = sorted(taken_ms[_WARM_UP:])
    print(
        f"{what}: median {statistics.median(warm):.1f} ms, "
        f"nine in ten below {warm[int(0.9 * len(warm))]:.1f} ms"
    )


if __name__ == "__main__":
    typer.run(main)
