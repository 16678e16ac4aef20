"""MAML and its first-order form. Related algorithms differ in how they adapt to a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

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
    multi_step_until: int | None = setting(
        None,
        "outer steps over which the weights of multi_step go from equal ones to the last loss "
        "alone, 1 to 10^9; unset: they stay equal",
        later=True,
        ge=1,
        le=10**9,
    )

    @model_validator(mode="after")
    def _anneals_something(self) -> Self:
        if self.multi_step_until is not None and not self.multi_step:
            raise ValueError(
                f"algorithm.multi_step_until = {self.multi_step_until} is for the losses after "
                "several inner steps; set algorithm.multi_step = true, or unset it"
            )
        return self

    @property
    def changes_at(self) -> Sequence[int]:
        """See `Algorithm.changes_at`."""
        return () if self.multi_step_until is None else (self.multi_step_until,)

    def at(self, outer_step: int) -> Self:
        """See `Algorithm.at`; where the last loss alone counts, the others are not computed."""
        until = self.multi_step_until
        if until is None or outer_step < until:
            return self
        return self.model_copy(update={"multi_step_until": 0})

    @property
    def costliest(self) -> Self:
        """See `Algorithm.costliest`."""
        return self.model_copy(update={"multi_step_until": None})

    @property
    def uses_outer_step(self) -> bool:
        """See `Algorithm.uses_outer_step`."""
        return self.multi_step_until is not None or super().uses_outer_step

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
        order = "first" if self.first_order else "second"
        return self._of_steps(f"{self.title}, {order} order")

    def _of_steps(self, method: str) -> str:
        if not self.multi_step:
            return method
        until = self.multi_step_until
        over = "" if until is None else f" annealed over {until} outer steps"
        return f"{method}, multi-step loss{over}"


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
