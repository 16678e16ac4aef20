"""MAML and its first-order form. Related algorithms differ in how they adapt to a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import model_validator

from workers.algorithms.annealed import Annealed
from workers.algorithms.layer_rates import WithLayerRates
from workers.algorithms.step_normalization import WithStepNormalization

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.algorithms.algorithm import Start
    from workers.inner.inner_loop import InnerState, Plan
    from workers.inner.losses import Metrics, Objective, Theta
    from workers.wire.protocol import Task


class Differentiated(Annealed):
    """An algorithm that differentiates through its inner loop."""

    def outer_loss(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> tuple[tf.Tensor, Start, Metrics]:
        """Compute the query loss of the adapted weights, as a function of theta.

        `multi_step`: the mean of the losses after each inner step, see `multi_step.over_steps`.

        Source: Finn et al. 2017, arXiv:1703.03400, algorithms 1 and 2.
        """
        initial, plan = self.start_inner_loop(objective.model, theta, start, self.inner_lr)
        loss, adapted, metrics = self.adapted_loss(objective, initial, task, plan, start.outer_step)
        return loss, start._replace(state=adapted.state, moments=adapted.moments), metrics

    def adapted_loss(
        self, objective: Objective, initial: InnerState, task: Task, plan: Plan, outer_step: Any
    ) -> tuple[tf.Tensor, InnerState, Metrics]:
        """Adapt and compute the scalar to differentiate, the inner state after it, and metrics."""
        from workers.algorithms.multi_step import over_steps
        from workers.inner.adaptation import adapt_to

        until = self.multi_step_until
        several = self.multi_step and until != 0
        of_steps = ("loss", *objective.of_steps) if several else ()
        last, before, earlier, starts = adapt_to(
            objective, initial, task, self.inner_steps, plan, self.later_lr, of_steps
        )
        after, metrics, state = objective.outer(last.theta, last.state, task)
        del metrics["loss"]
        metrics = {"loss_before": before / objective.inner_scale, "loss_after": after, **metrics}
        loss = after
        if several:
            by_name, steps = earlier(), self.inner_steps
            loss = over_steps(by_name["loss"], after, steps, until, outer_step)
            for name in objective.of_steps:
                values = by_name[name], metrics[name]
                metrics[name] = over_steps(*values, steps, until, outer_step)
        if self.multi_step:
            metrics["loss_of_steps"] = loss
        return objective.penalized(loss, starts, task), last._replace(state=state), metrics

    @property
    def method(self) -> str:
        """See `Algorithm.method`."""
        return ", ".join([self.title, self.order, *self.details])


class DifferentiatedWithOptimizer(WithLayerRates, Differentiated):
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


class MamlAlgorithm(WithStepNormalization, DifferentiatedWithOptimizer):
    """Model-agnostic meta-learning (Finn et al. 2017, arXiv:1703.03400); first order: FOMAML."""

    title = "MAML"
    kind: Literal["maml"] = "maml"

    @property
    def method(self) -> str:
        """See `Algorithm.method`."""
        return ", ".join(["FOMAML", *self.details]) if self.first_order else super().method
