"""Prepares in a thread, while a run trains, what its validations and its end would wait for.

The thread traces and compiles the graphs of held-out tasks and imports what draws. It computes
nothing that the run reads: what is not prepared in time is made where it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING

from orchestrator.config.schema import MetaConfig
from orchestrator.evaluate import blocks_of, recipes
from workers.wire.protocol import Weights

if TYPE_CHECKING:  # these import TensorFlow
    from orchestrator.run.training_run import TrainingRun
    from workers.block import BlockRunner
    from workers.tasks.family import TaskFamily

_MODULES = (
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "orchestrator.reporting.pictures.render",
    "orchestrator.reporting.page.page",
)


@contextmanager
def prepared_ahead(config: MetaConfig, run: TrainingRun) -> Iterator[None]:
    """Prepare while the context is open. Its end waits for the part that has begun, no longer.

    Errors are left to where the graphs and modules are used.
    """
    ended = Event()
    parts = [*_graphs(config, run), *_imports(), *_graph_of_pictures(config, run)]
    thread = Thread(target=_do, args=(parts, ended), name="prepared-ahead", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _do(parts: list[Callable[[], object]], ended: Event) -> None:
    for part in parts:
        if ended.is_set():
            return
        with suppress(Exception):
            part()


def _imports() -> Iterator[Callable[[], object]]:
    for name in _MODULES:
        yield partial(importlib.import_module, name)


def _graphs(config: MetaConfig, run: TrainingRun) -> Iterator[Callable[[], object]]:
    """List what makes the graph of the validation, which the test shares."""
    if runner := _runner_of(config, run):
        yield partial(_validate_once, config, run.launch.family, runner, run.weights)


def _graph_of_pictures(config: MetaConfig, run: TrainingRun) -> Iterator[Callable[[], object]]:
    if runner := _runner_of(config, run):
        yield partial(_predict_once, config, run.launch.family, runner, run.weights)


def _runner_of(config: MetaConfig, run: TrainingRun) -> BlockRunner | None:
    """Return the runner of a small model in this process, whose graphs take longer than its steps.

    A larger model's block would take the processor's time from the training.
    """
    runner: BlockRunner | None = getattr(run.launch.pool, "runner", None)
    if runner is None or not runner.has_block_graphs:
        return None
    return runner if config.worker.execution[0] == "vectorized" else None


def _validate_once(
    config: MetaConfig, family: TaskFamily, runner: BlockRunner, weights: Weights
) -> None:
    """Run a block of each size. Recipes differ in the inner rate, which is not in the graph."""
    blocks = blocks_of(config, family, "validation", recipes(config)[0])
    for block in {block.hi - block.lo: block for block in blocks}.values():
        runner.run(weights, block)


def _predict_once(
    config: MetaConfig, family: TaskFamily, runner: BlockRunner, weights: Weights
) -> None:
    from orchestrator.reporting.pictures.render import showcase_blocks

    for block in showcase_blocks(config, family, recipes(config)[0]):
        runner.run(weights, block)
