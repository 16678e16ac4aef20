"""The end of a sweep: the one thing in it that sees the test tasks."""

from collections.abc import Callable

from orchestrator.cli.common import drawn_or_note, open_family, watch_every_s
from orchestrator.config.schema import MetaConfig
from orchestrator.outer.blocks import example_blocks
from orchestrator.pool.watched_pool import Watch, WatchedPool
from orchestrator.records.result import Result, read_result
from orchestrator.records.task_scores import read_task_scores
from orchestrator.run.launch import launch
from orchestrator.run.resume import find_state
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from orchestrator.sweep.resources import num_actors
from orchestrator.sweep.trial import claim_soon


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
    claim_soon(storage)
    try:
        return _evaluate(config, storage, chosen, say, notify)
    finally:
        storage.release()


def _evaluate(
    config: MetaConfig,
    storage: Storage,
    chosen: str,
    say: Callable[[str], None],
    notify: Callable[[str], None],
) -> Result:
    if (earlier := _earlier(storage, chosen)) is not None:
        notify(f"{storage.name} was evaluated on the test tasks before: its scores are shown again")
        return earlier
    workers = config.workers.model_copy(update={"count": num_actors(config)})
    config = config.model_copy(update={"workers": workers})
    state, fingerprint, _ = find_state(config, storage, True, False)
    family = open_family(config)
    examples = example_blocks(config, family)
    launched = launch(config, family, fingerprint, examples=examples, say=say, notify=notify)
    from orchestrator.run.training_run import TrainingRun

    launched.pool = WatchedPool(launched.pool, Watch("evaluating", say, watch_every_s()))
    run = TrainingRun(config, storage, launched, state, notify, "metatrain tune")
    try:
        say("evaluating on the test tasks")
        result = run.test(hyperparameters=chosen)
        say("drawing")
        drawn_or_note("picture", lambda: run.draw(result))
        drawn_or_note("page", run.report)
        return result
    finally:
        run.close()


def _earlier(storage: Storage, chosen: str) -> Result | None:
    """What the same checkpoint, chosen among the same trials, scored: test tasks are seen once."""
    found = read_result(storage)
    if found is None or found.protocol.get("hyperparameters") != chosen:
        return None
    if found.checkpoint != checkpoint.best(storage)[0]:
        return None
    return found.model_copy(update={"tasks": read_task_scores(storage)})
