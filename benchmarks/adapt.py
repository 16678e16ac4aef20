"""The time of one adaptation, warm, on one core.

    python benchmarks/adapt.py

conv4 with 64 filters as in the preset omniglot-5w1s, at its initial weights (they do not matter
for the time), 5-way 1-shot, 28 x 28 images, 5 inner steps of first order: `Learner.adapt`, from
arrays to adapted weights, and `predict` for 15 queries.
"""

import os
import statistics
import time

import numpy as np
import typer

from orchestrator.adaptation.artefact import Artefact
from orchestrator.config.schema import load
from orchestrator.learner import Learner
from orchestrator.outer.state import MetaState
from workers.execution import runtime
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.user_tasks import UserTaskFamily
from workers.wire.protocol import Recipe

_WARM_UP = 5


def main(repeats: int = 100, inner_steps: int = 5) -> None:
    """Print medians and the slowest tenth, in milliseconds."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    runtime.start_tensorflow(0)
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
