"""The end of a sweep: the one thing in it that sees the test tasks."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestrator.blocks import example_blocks
from orchestrator.commands.common import open_family
from orchestrator.config import MetaConfig
from orchestrator.launch import launch
from orchestrator.resume import find_state
from orchestrator.storage import Storage
from orchestrator.sweep.resources import num_actors

if TYPE_CHECKING:
    from orchestrator.run import Result


def evaluate_trial(
    config: MetaConfig,
    storage: Storage,
    chosen: str,
    say: Callable[[str], None],
    notify: Callable[[str], None],
) -> "Result":
    """Evaluate a trial's best checkpoint on the test tasks; its picture and its page.

    Args:
      chosen: how its hyperparameters were, for the protocol.
    """
    workers = config.workers.model_copy(update={"count": num_actors(config)})
    config = config.model_copy(update={"workers": workers})
    state, fingerprint, _ = find_state(config, storage, True, False)
    family = open_family(config)
    examples = example_blocks(config, family)
    launched = launch(config, family, fingerprint, examples=examples, say=say, notify=notify)
    from orchestrator.run import TrainingRun

    run = TrainingRun(config, storage, launched, state, notify)
    try:
        say("evaluating on the test tasks")
        result = run.test(hyperparameters=chosen)
        say("drawing")
        run.draw(result)
        run.report()
        return result
    finally:
        run.close()
