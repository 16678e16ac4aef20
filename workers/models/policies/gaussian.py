"""What Gaussian policies share: their head, and the environments that they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from workers.losses.registry import loss_of
from workers.models.model import Model
from workers.settings.section import setting

if TYPE_CHECKING:
    from workers.tasks.family import TaskFamily


class GaussianPolicy(Model):
    """A policy whose actions are numbers: their means, and constant standard deviations.

    for_choices: the kind of the same network for environments whose actions are a choice.
    """

    for_choices: ClassVar[str]
    initial_std: float = setting(1.0, "standard deviation that training starts with, > 0", gt=0)

    def _head(self, num_outputs: int) -> Any:
        """Make the layer of means, then log standard deviations."""
        from workers.models.gaussian_mlp import GaussianHead

        return GaussianHead(num_outputs // 2, self.initial_std, name="head")

    def check_family(self, family: TaskFamily) -> None:
        """See `Model.check_family`."""
        if loss_of(family).discrete:
            raise ValueError(
                f"model.kind = {self.kind!r} gives numbers, but the environment takes one of "
                f"{family.num_outputs} actions; use model.kind = {self.for_choices!r}"
            )
