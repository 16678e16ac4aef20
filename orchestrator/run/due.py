"""When a run has something to do between two outer steps."""

from orchestrator.config.schema import MetaConfig


def is_validated(config: MetaConfig, step: int) -> bool:
    """Tell whether the run validates after an outer step; steps count from 1."""
    return step == config.outer.steps or step % config.evaluation.every == 0


def steps_until_due(config: MetaConfig, done: int) -> int:
    """Return how many steps may follow before one is validated, or a checkpoint is due.

    A validated step is run by itself: if its validation fails, the state before it is saved.

    Args:
      done: outer steps done.
    """
    every, checkpoint_every = config.evaluation.every, config.checkpoint.every
    validated = min((done // every + 1) * every, config.outer.steps)
    saved = (done // checkpoint_every + 1) * checkpoint_every
    return max(1, min(validated - 1, saved) - done)
