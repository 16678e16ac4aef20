"""Joint training: the baseline without an inner loop for few-shot claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from workers.algorithms.algorithm import Algorithm
from workers.settings.section import setting

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.algorithms.algorithm import Start
    from workers.inner.losses import Metrics, Objective, Theta
    from workers.wire.protocol import Task


class JointAlgorithm(Algorithm):
    """Joint training on all tasks without adaptation: the baseline of every few-shot claim.

    Regression minimizes the mean unadapted loss. Classification trains one head over all training
    classes; adaptation to a new task replaces it by a zero head of `ways` outputs.
    """

    title = "joint training + fine-tuning"
    fine_tunes = True
    over_all_classes = True
    no_evaluation: ClassVar[Mapping[str, str]] = {
        "inner_batch": "which fine-tunes on the whole support set"
    }
    kind: Literal["joint"] = "joint"
    inner_lr: float = setting(0.01, "step size of the fine-tuning SGD on a new task, > 0", gt=0)
    inner_loss: Literal["mean", "sum_over_shots"] = setting(
        "mean", "mean over examples, or ways times that mean: Finn's code sums and divides by shots"
    )

    def outer_loss(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> tuple[tf.Tensor, Start, Metrics]:
        """Compute the unadapted loss on all of a task's examples, support and query alike.

        Args:
          theta: in classification, with a head over all training classes.
          task: in classification, its targets are training classes.
        Returns:
          see `Algorithm.outer_loss`; nothing is adapted, so loss_before equals loss_after.
        """
        import tensorflow as tf

        inputs = tf.concat([task.support_inputs, task.query_inputs], axis=0)
        targets = tf.concat([task.support_targets, task.query_targets], axis=0)
        real = objective.real(targets)
        outputs, state = objective.model.apply(theta, start.state, inputs, real=real)
        loss, metrics = objective.score(outputs, targets)
        del metrics["loss"]
        metrics = {"loss_before": loss, "loss_after": loss, **metrics}
        loss = objective.penalized(loss, [(theta, start.state)], task)
        return loss, start._replace(state=state), metrics


def replace_head(
    theta: Sequence[tf.Tensor], is_head: Sequence[bool], shapes: Sequence[tuple[int, ...]]
) -> list[tf.Tensor]:
    """Make weights for a model with these shapes: zeros for the head, theta for the rest."""
    import tensorflow as tf

    return [
        tf.zeros(shape, w.dtype) if head else w
        for w, head, shape in zip(theta, is_head, shapes, strict=True)
    ]
