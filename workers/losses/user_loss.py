"""A loss of the user's own: a TensorFlow function of outputs and targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from workers.losses.loss import Floats, Loss
from workers.losses.measures import accuracy
from workers.settings.losses.loss_settings import LossSettings
from workers.wire.protocol import Array

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.losses.loss import LossFunctions, Measure


class UserLoss(Loss):
    """What `task.loss` = "module:function" names; of classes, accuracy decides as elsewhere."""

    is_users = True

    def __init__(self, name: str, settings: LossSettings):
        super().__init__(settings)
        self.title = name
        self.targets = settings.targets or "numbers"
        self.scored_by = ("accuracy", "loss") if self.classifies else ("loss",)
        self.outputs_per_target = settings.outputs_per_target

    def mean(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """See `Loss.mean`; `functions` imports once what this imports at each call."""
        return self.functions().mean(outputs, targets)

    def measures(self) -> Mapping[str, Measure]:
        """See `Loss.measures`."""
        return {"accuracy": accuracy} if self.classifies else {}

    def functions(self, padded: bool = False) -> LossFunctions:
        """See `Loss.functions`; the configuration refuses ranges of shots for it."""
        from workers.losses.user_functions import mean_of

        assert not padded
        functions = super().functions()
        return functions._replace(mean=mean_of(self.title, self.settings))

    def digest(self) -> str:
        """See `Loss.digest`."""
        return self._digest(self.title)

    def predicted(self, outputs: Array) -> Array:
        """See `Loss.predicted`: the first outputs."""
        first: Array = outputs[..., : outputs.shape[-1] // self.outputs_per_target]
        return first

    def scale(self, mean: Floats, deviation: Floats) -> tuple[Floats, Floats]:
        """See `Loss.scale`: further outputs stay as they are."""
        more = np.zeros(len(mean) * (self.outputs_per_target - 1))
        return np.concatenate([mean, more]), np.concatenate([deviation, more + 1])
