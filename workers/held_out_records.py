"""What a block of held-out tasks records at each state of an inner loop."""

from collections.abc import Callable

import tensorflow as tf

from workers.inner.inner_loop import InnerState
from workers.inner.losses import Objective
from workers.wire.protocol import OUTPUTS, Task

#: As the kind "adapt", before and after each inner step.
ADAPT_BY_STEP = "adapt by step"
#: Makes records of the outputs for a task's queries.
Recorder = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def observer(
    objective: Objective, task: Task, record: Recorder | None
) -> Callable[[InnerState], dict[str, tf.Tensor]]:
    """Make the function that records the outputs for a task's queries at a state."""
    if record is None:
        return lambda inner_state: {}
    return lambda inner_state: record(objective.predict(inner_state.theta, inner_state.state, task))


def record_of(objective: Objective, kind: str, task: Task, keep: bool) -> Recorder | None:
    """Make the function that turns the outputs for queries into what a block asks for.

    Args:
      keep: return the outputs beside the metrics.
    """
    if kind in ("adapt", ADAPT_BY_STEP):
        return None
    if kind == "predict":
        return lambda outputs: {"outputs": outputs}

    def score(outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        metrics = objective.score(outputs, task.query_targets)[1]
        return {**metrics, OUTPUTS: outputs} if keep else metrics

    return score
