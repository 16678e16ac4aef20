"""A pool that adapts to the user's tasks, and its results for each of them."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import Progress

from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.checks import (
    check_backbone,
    check_model,
    check_weights,
    with_models_in,
    worker_settings,
)
from orchestrator.adaptation.user_tasks import UserTask, blocks_of
from orchestrator.cli.common import NOTES, waiting
from orchestrator.config.schema import MetaConfig
from orchestrator.pool.watched_pool import Watch
from workers.tasks.family import digests_of
from workers.tasks.registry import make_family
from workers.wire.protocol import Array, Kind, Recipe

# Tasks that an actor adapts to at once.
_BLOCK_SIZE = 8


@contextmanager
def launched_for(source: Artefact, verbose: bool) -> Iterator[Any]:
    """Launch a pool that adapts to the user's tasks, and close it at the end."""
    with tempfile.TemporaryDirectory() as folder:
        config = _with_user_tasks(source, Path(folder))
        with waiting() as say:
            from orchestrator.run.launch import launch

            settings = config.worker
            family = make_family(settings.task, settings.model)
            launched = launch(
                config, family, {}, say=say, notify=NOTES.print, verbose=verbose, probed=False
            )
        try:
            check_backbone(source, digests_of(family))
            check_model(source, *(launched.fingerprint.get(of, "") for of in ("model", "loss")))
            start = launched.initial_state()
            check_weights(source, start.names, [array.shape for array in start.theta])
            yield launched
        finally:
            launched.close()


def _with_user_tasks(source: Artefact, folder: Path) -> MetaConfig:
    """Return the run's configuration, with its tasks replaced by the user's."""
    settings = with_models_in(worker_settings(source), folder, source)
    model = settings.model.trusted()  # nothing is differentiated twice here
    return source.config.model_copy(update={"task": settings.task, "model": model})


def run_tasks(
    launched: Any, weights: Any, tasks: Sequence[UserTask], recipe: Recipe, kind: Kind
) -> list[dict[str, Array]]:
    """Run blocks of `kind` and return their results, one for each task in the tasks' order."""
    blocks, order = blocks_of(launched.config, tasks, recipe, kind, _BLOCK_SIZE)
    results: dict[int, dict[str, Array]] = {}
    round_size = 8 * max(1, launched.pool.num_ready)
    watch = Watch("adapting", lambda text: None if NOTES.is_terminal else NOTES.print(text))
    bar = Progress(console=NOTES, transient=True, disable=not NOTES.is_terminal)
    with bar:
        shown = bar.add_task("adapting", total=len(tasks))
        for lo in range(0, len(blocks), round_size):
            part = blocks[lo : lo + round_size]
            for block, answer in zip(part, launched.pool.run(weights, part), strict=True):
                for i, task in enumerate(order[block.lo : block.hi]):
                    results[task] = {name: values[i] for name, values in answer.metrics.items()}
                bar.advance(shown, block.hi - block.lo)
            watch.tell(part[-1].hi, len(tasks))
    return [results[task] for task in range(len(tasks))]
