"""What changes while MAML is trained: the order of its derivative, and the losses that count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import model_validator

from workers.algorithms.inner_loop import InnerLoop
from workers.settings.section import setting


class Annealed(InnerLoop):
    """Settings of an algorithm that differentiates through its inner loop, by outer step.

    Source: Antoniou et al. 2019, arXiv:1810.09502, section 4: "Multi-Step Loss Optimization" and
    "Derivative-Order Annealing".
    """

    first_order: bool = setting(False, "drop the second derivative")
    second_order_after: int = setting(
        0,
        "outer steps of the first order before those of the second, 0 to 10^9",
        later=True,
        ge=0,
        le=10**9,
    )
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
        if self.second_order_after and self.first_order:
            raise ValueError(
                f"algorithm.second_order_after = {self.second_order_after} goes over to the second "
                "order, but algorithm.first_order = true never does; unset one of them"
            )
        return self

    @property
    def changes_at(self) -> Sequence[int]:
        """See `Algorithm.changes_at`."""
        return sorted({self.second_order_after, self.multi_step_until or 0} - {0})

    def at(self, outer_step: int) -> Self:
        """See `Algorithm.at`; where the last loss alone counts, the others are not computed."""
        changes: dict[str, Any] = {}
        if outer_step < self.second_order_after:
            changes["first_order"] = True
        if self.multi_step_until is not None and outer_step >= self.multi_step_until:
            changes["multi_step_until"] = 0
        return self.model_copy(update=changes) if changes else self

    @property
    def costliest(self) -> Self:
        """See `Algorithm.costliest`."""
        if not self.changes_at:
            return self
        return self.model_copy(update={"second_order_after": 0, "multi_step_until": None})

    @property
    def uses_outer_step(self) -> bool:
        """See `Algorithm.uses_outer_step`."""
        return self.multi_step_until is not None or super().uses_outer_step

    @property
    def order(self) -> str:
        """The order of the derivative, in words."""
        if self.second_order_after:
            return f"first order for {self.second_order_after} outer steps, then second order"
        return f"{'first' if self.first_order else 'second'} order"

    @property
    def details(self) -> list[str]:
        """What else the name of the method says in a protocol."""
        if not self.multi_step:
            return []
        until = self.multi_step_until
        return [
            "multi-step loss" + ("" if until is None else f" annealed over {until} outer steps")
        ]
