"""Settings of algorithms that have an inner loop in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from workers.algorithms.algorithm import Algorithm
from workers.settings.section import setting

if TYPE_CHECKING:
    from workers.inner.optimizers import InnerOptimizer


class InnerLoop(Algorithm):
    """Settings of every algorithm with an inner loop in training."""

    inner_lr: float = setting(0.01, "step size of the inner optimizer, > 0", gt=0)
    inner_steps: int = setting(1, "inner steps in training, 1 to 100", ge=1, le=100)
    inner_loss: Literal["mean", "sum_over_shots"] = setting(
        "mean", "mean over examples, or ways times that mean: Finn's code sums and divides by shots"
    )
    later_lr: float = setting(
        1.0,
        "factor of inner_lr after the first inner step, > 0; for policies only",
        gt=0,
    )
    inner_clip: float | None = setting(
        None,
        "largest global norm of an inner gradient, > 0, in training and on new tasks; unset: any",
        later=True,
        gt=0,
    )

    @property
    def training_steps(self) -> int:
        """See `Algorithm.training_steps`."""
        return self.inner_steps

    @property
    def largest_norm(self) -> float | None:
        """See `Algorithm.largest_norm`."""
        return self.inner_clip


class OptimizedInnerLoop(InnerLoop):
    """Settings of an inner loop with a choice of optimizers."""

    inner_optimizer: Literal["sgd", "momentum", "adam"] = setting(
        "sgd", "sgd, sgd with momentum, or Adam with beta1 = 0 and beta2 = 0.999 (Reptile's)"
    )
    inner_momentum: float = setting(0.9, "momentum's coefficient, 0 to 1", ge=0, lt=1)
    inner_moments: Literal["fresh", "persistent"] = setting(
        "fresh",
        "initial moments of momentum and Adam in a task: zeros, or the mean of the final moments "
        "of the previous step's tasks",
    )

    def optimizer(self, rates: Any, outer_step: Any) -> InnerOptimizer:
        """See `Algorithm.optimizer`."""
        from workers.inner.optimizers import Adam, Momentum

        if self.inner_optimizer == "momentum":
            return Momentum(rates, self.inner_momentum)
        if self.inner_optimizer == "adam":
            persistent = self.inner_moments == "persistent"
            return Adam(rates, outer_step * self.inner_steps if persistent else 0)
        return super().optimizer(rates, outer_step)

    @property
    def keeps_moments(self) -> bool:
        """See `Algorithm.keeps_moments`; plain SGD has no moments."""
        return self.inner_moments == "persistent" and self.inner_optimizer != "sgd"

    @property
    def optimizer_title(self) -> str:
        """See `Algorithm.optimizer_title`."""
        if self.inner_optimizer == "sgd":
            return super().optimizer_title
        return f"{self.inner_optimizer}, {self.inner_moments} moments"
