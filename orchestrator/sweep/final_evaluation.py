"""The end of a sweep: the one thing in it that sees the test tasks."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

from orchestrator.config.schema import MetaConfig
from orchestrator.pool.watched_pool import Watch
from orchestrator.records.result import Result, read_result
from orchestrator.records.task_scores import read_task_scores
from orchestrator.reporting.notes import drawn_or_note, watch_every_s
from orchestrator.run.session import Opening, open_run
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from orchestrator.sweep.resources import num_actors
from orchestrator.sweep.trial import go_on, open_soon


def evaluate_trial(
    config: MetaConfig,
    storage: Storage,
    chosen: str,
    say: Callable[[str], None],
    notify: Callable[[str], None],
) -> Result:
    """Evaluate a trial's best checkpoint on the test tasks; its picture and its page.

    Args:
      chosen: how its hyperparameters were, for the protocol.
    """
    with open_soon(storage):
        if (earlier := _earlier(storage, chosen)) is not None:
            notify(
                f"{storage.name} was evaluated on the test tasks before: its scores are shown again"
            )
            return earlier
        return _evaluate(config, storage, chosen, say, notify)


def _evaluate(
    config: MetaConfig,
    storage: Storage,
    chosen: str,
    say: Callable[[str], None],
    notify: Callable[[str], None],
) -> Result:
    workers = config.workers.model_copy(update={"count": num_actors(config)})
    config = config.model_copy(update={"workers": workers})
    opening = Opening(
        waiting=lambda: nullcontext(say),
        notify=notify,
        watch=Watch("evaluating", say, watch_every_s()),
    )
    with open_run(
        config,
        nullcontext(storage),  # it is claimed already
        partial(go_on, config),
        opening,
        note=notify,
        command="metatrain tune",
    ) as run:
        say("evaluating on the test tasks")
        result = run.test(hyperparameters=chosen)
        say("drawing")
        drawn_or_note("picture", lambda: run.draw(result))
        drawn_or_note("page", run.report)
        return result


def _earlier(storage: Storage, chosen: str) -> Result | None:
    """What the same checkpoint, chosen among the same trials, scored: test tasks are seen once."""
    found = read_result(storage)
    if found is None or found.protocol.get("hyperparameters") != chosen:
        return None
    if found.checkpoint != checkpoint.best(storage)[0]:
        return None
    return found.model_copy(update={"tasks": read_task_scores(storage)})
