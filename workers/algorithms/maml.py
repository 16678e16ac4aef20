"""MAML and its first-order form. Related algorithms differ in how they adapt to a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from workers.algorithms.inner_loop import InnerLoop, OptimizedInnerLoop
from workers.settings.section import setting

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.algorithms.algorithm import Start
    from workers.inner.inner_loop import InnerState, Plan
    from workers.inner.losses import Metrics, Objective, Theta
    from workers.wire.protocol import Task


class Differentiated(InnerLoop):
    """An algorithm that differentiates through its inner loop."""

    first_order: bool = setting(False, "drop the second derivative")
    multi_step: bool = setting(
        False, "learn from the mean of the losses after each inner step, not from the last alone"
    )

    def outer_loss(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> tuple[tf.Tensor, Start, Metrics]:
        """Compute the query loss of the adapted weights, as a function of theta.

        `multi_step`: the mean of the losses after each inner step (Antoniou et al. 2019,
        arXiv:1810.09502, section 4, with equal weights).

        Source: Finn et al. 2017, arXiv:1703.03400, algorithms 1 and 2.
        """
        initial, plan = self.start_inner_loop(objective.model, theta, start, self.inner_lr)
        loss, adapted, metrics = self.adapted_loss(objective, initial, task, plan)
        return loss, start._replace(state=adapted.state, moments=adapted.moments), metrics

    def adapted_loss(
        self, objective: Objective, initial: InnerState, task: Task, plan: Plan
    ) -> tuple[tf.Tensor, InnerState, Metrics]:
        """Adapt and compute the scalar to differentiate, the inner state after it, and metrics."""
        import tensorflow as tf

        from workers.inner.adaptation import adapt_to

        of_steps = ("loss", *objective.of_steps) if self.multi_step else ()
        last, before, earlier, starts = adapt_to(
            objective, initial, task, self.inner_steps, plan, self.later_lr, of_steps
        )
        after, metrics, state = objective.outer(last.theta, last.state, task)
        del metrics["loss"]
        metrics = {"loss_before": before / objective.inner_scale, "loss_after": after, **metrics}
        loss = after
        if self.multi_step:
            by_name = earlier()
            loss = tf.add_n([*by_name["loss"], after]) / self.inner_steps
            metrics["loss_of_steps"] = loss
            for name in objective.of_steps:
                metrics[name] = tf.add_n([*by_name[name], metrics[name]]) / self.inner_steps
        return objective.penalized(loss, starts, task), last._replace(state=state), metrics

    @property
    def method(self) -> str:
        """See `Algorithm.method`."""
        order = "first" if self.first_order else "second"
        return self._of_steps(f"{self.title}, {order} order")

    def _of_steps(self, method: str) -> str:
        return f"{method}, multi-step loss" if self.multi_step else method


class DifferentiatedWithOptimizer(Differentiated, OptimizedInnerLoop):
    """An algorithm that differentiates through its inner loop, with a choice of optimizers."""

    @model_validator(mode="after")
    def _differentiable(self) -> Self:
        if self.inner_optimizer == "adam" and not self.first_order:
            raise ValueError(
                "algorithm.inner_optimizer = 'adam' divides by a square root that has no "
                "derivative where a gradient is zero; set algorithm.first_order = true, or use "
                "'sgd' or 'momentum'"
            )
        return self


class MamlAlgorithm(DifferentiatedWithOptimizer):
    """Model-agnostic meta-learning (Finn et al. 2017, arXiv:1703.03400); first order: FOMAML."""

    title = "MAML"
    kind: Literal["maml"] = "maml"

    @property
    def method(self) -> str:
        """See `Algorithm.method`."""
        return self._of_steps("FOMAML") if self.first_order else super().method
