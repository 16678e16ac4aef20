"""ANIL: only the head adapts (Raghu et al. 2020, arXiv:1909.09157)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from workers.algorithms.maml import DifferentiatedWithOptimizer

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.algorithms.algorithm import Start
    from workers.inner.losses import Metrics, Objective, Theta
    from workers.wire.protocol import Task


class AnilAlgorithm(DifferentiatedWithOptimizer):
    """Almost No Inner Loop: only the head adapts (Raghu et al. 2020, arXiv:1909.09157)."""

    title = "ANIL"
    adapted = "head"
    kind: Literal["anil"] = "anil"

    def outer_loss(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> tuple[tf.Tensor, Start, Metrics]:
        """Compute MAML's outer loss, with an inner loop over the head.

        The features of the support set are constant in it: if the model can be cut in front of its
        head, they are computed once.
        """
        parts = objective.model.parts
        if parts is None or objective.statistics == "support":
            return super().outer_loss(objective, theta, start, task)
        is_head = objective.model.is_head
        weights, rates = self.split(objective.model, theta)
        body_weights = [w for w, head in zip(weights, is_head, strict=True) if not head]
        head_weights = [w for w, head in zip(weights, is_head, strict=True) if head]
        body, real = parts.body.apply, objective.real
        shown, asked = real(task.support_targets), real(task.query_targets)
        support, state = body(body_weights, start.state, task.support_inputs, real=shown)
        queries, state = body(body_weights, state, task.query_inputs, real=asked)
        features = task._replace(support_inputs=support, query_inputs=queries)
        initial, plan = self.start_for_weights(
            parts.head.adapts, head_weights, start._replace(state=[]), self.inner_lr
        )
        plan = self.with_rates(plan._replace(of_features=True), objective.model, rates)
        head_objective = objective.of(parts.head)
        loss, adapted, metrics = self.adapted_loss(
            head_objective, initial, features, plan, start.outer_step
        )
        return loss, start._replace(state=state, moments=adapted.moments), metrics
