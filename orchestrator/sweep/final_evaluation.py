"""The final evaluation of a sweep: the only part of it that sees the test tasks."""

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
from orchestrator.sweep.trial import open_when_free, resume_trial


def evaluate_trial(
    config: MetaConfig,
    storage: Storage,
    chosen: str,
    say: Callable[[str], None],
    notify: Callable[[str], None],
) -> Result:
    """Evaluate a trial's best checkpoint on the test tasks, and write its picture and page.

    Args:
      chosen: how its hyperparameters were chosen, for the protocol.
      say: takes a line for the user about what is being done.
      notify: takes a line for the user about faults.
    """
    with open_when_free(storage):
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
        nullcontext(storage),  # already claimed
        partial(resume_trial, config),
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
    """Return an earlier result of the same checkpoint, so that test tasks are seen once.

    Returns:
      None if there is none, or if it was chosen among other trials.
    """
    result = read_result(storage)
    if result is None or result.protocol.get("hyperparameters") != chosen:
        return None
    if result.checkpoint != checkpoint.best(storage)[0]:
        return None
    return result.model_copy(update={"tasks": read_task_scores(storage)})
