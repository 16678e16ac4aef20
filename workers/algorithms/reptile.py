"""Reptile (Nichol et al. 2018, arXiv:1803.02999)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from workers.algorithms.inner_loop import OptimizedInnerLoop
from workers.settings.section import setting

if TYPE_CHECKING:
    from workers.algorithms.algorithm import Outcome, Start
    from workers.inner.losses import Objective, Theta
    from workers.settings.task import AnyTask
    from workers.wire.protocol import Task


class ReptileAlgorithm(OptimizedInnerLoop):
    """Reptile (Nichol et al. 2018, arXiv:1803.02999)."""

    title = "Reptile"
    has_outer_loss = False
    several_steps = True
    kind: Literal["reptile"] = "reptile"
    inner_lr: float = setting(0.02, "step size of the inner optimizer, > 0", gt=0)
    inner_steps: int = setting(5, "inner steps in training, 1 to 100", ge=1, le=100)
    inner_batch: int | None = setting(
        None, "examples per inner step, 1 to 10^6; unset: the whole support set", ge=1, le=10**6
    )

    @classmethod
    def advice(cls, kept: Mapping[str, Any]) -> str:
        """See `Record.advice`."""
        if kept.get("inner_steps") != 1:
            return ""
        return "is joint training with one inner step: set algorithm.inner_steps to 5 or so"

    def check_task(self, task: AnyTask) -> None:
        """See `Algorithm.check_task`."""
        if task.acts and self.inner_batch is not None:
            raise ValueError(
                f"algorithm.inner_batch = {self.inner_batch} deals out examples, but each inner "
                "step of a policy sees its own episodes; unset it"
            )

    def outer_gradient(
        self, objective: Objective, theta: Theta, start: Start, task: Task
    ) -> Outcome:
        """Pull theta toward the weights adapted to one task.

        Args:
          theta: list of float [*shape_i], the initial weights.
          task: its queries are for metrics only.
        Returns:
          see `Algorithm.outer_gradient`. The gradient is theta - adapted: SGD with outer lr = e
          then moves theta by e * (mean adapted - theta).
        Source: Nichol et al. 2018, arXiv:1803.02999, algorithm 1.
        """
        from workers.inner.adaptation import adapt_to

        initial, plan = self.start_inner_loop(objective.model, theta, start, self.inner_lr)
        adapted, before, *_ = adapt_to(
            objective, initial, task, self.inner_steps, plan, self.later_lr
        )
        gradient = [w - a for w, a in zip(theta, adapted.theta, strict=True)]
        after, metrics, _ = objective.outer(adapted.theta, adapted.state, task)
        del metrics["loss"]
        metrics = {"loss_before": before / objective.inner_scale, "loss_after": after, **metrics}
        return gradient, start._replace(state=adapted.state, moments=adapted.moments), metrics
