"""Half of Reptile's way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from workers.algorithms.inner_loop import InnerLoop

if TYPE_CHECKING:
    from workers.algorithms.algorithm import Outcome, Start
    from workers.inner.losses import Objective, Theta
    from workers.wire.protocol import Task


class HalfwayAlgorithm(InnerLoop):
    """Pull theta half of the way that Reptile pulls it."""

    title = "Halfway"
    has_outer_loss = False
    kind: Literal["halfway"] = "halfway"

    def outer_gradient(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> Outcome:
        """See `Algorithm.outer_gradient`."""
        from workers.inner.adaptation import adapt_to

        initial, plan = self.start_inner_loop(objective.model, theta, start, self.inner_lr)
        last, before, *_ = adapt_to(objective, initial, task, self.inner_steps, plan, self.later_lr)
        gradient = [(w - a) / 2 for w, a in zip(theta, last.theta, strict=True)]
        after, metrics, _ = objective.outer(last.theta, last.state, task)
        del metrics["loss"]
        metrics = {"loss_before": before / objective.inner_scale, "loss_after": after, **metrics}
        return gradient, start._replace(state=last.state, moments=last.moments), metrics
