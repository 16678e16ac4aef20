"""The registry of losses.

A new loss is a file with a record (see `Loss`) and a row here.
"""

from collections.abc import Collection
from typing import Protocol

from workers.losses.loss import Loss
from workers.losses.user_loss import UserLoss
from workers.settings.losses.loss_settings import LossSettings
from workers.settings.registry import named

_PLACES = {
    "mse": "workers.losses.squared_error:SquaredError",
    "gaussian_nll": "workers.losses.gaussian:GaussianLikelihood",
    "cross_entropy": "workers.losses.cross_entropy:CrossEntropy",
    "binary_cross_entropy": "workers.losses.binary_cross_entropy:BinaryCrossEntropy",
    "ranking": "workers.losses.cross_entropy:Ranking",
    "next_token": "workers.losses.next_token:NextToken",
    "gaussian_policy": "workers.losses.policies:GaussianPolicy",
    "categorical_policy": "workers.losses.policies:CategoricalPolicy",
}

#: name -> record.
LOSSES: dict[str, type[Loss]] = {name: named(place) for name, place in _PLACES.items()}


class HasLoss(Protocol):
    """A task family, or what is known of its tasks; it may also have `loss_settings`."""

    @property
    def loss(self) -> str:
        """The name of its loss."""


def loss_of(tasks: HasLoss) -> Loss:
    """Return the loss of tasks."""
    return make_loss(tasks.loss, getattr(tasks, "loss_settings", None))


def make_loss(name: str, settings: LossSettings | None = None) -> Loss:
    """Make a loss by its name.

    Raises:
      ValueError: there is no such loss.
    """
    if ":" in name:
        return UserLoss(name, settings or LossSettings())
    if name not in LOSSES:
        raise ValueError(f"there is no loss {name!r}; there are {', '.join(LOSSES)}")
    return LOSSES[name](settings)


def names_for(targets: Collection[str]) -> list[str]:
    """List the losses for targets of these sorts."""
    return [name for name, record in LOSSES.items() if record.targets in targets]
