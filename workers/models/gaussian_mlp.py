"""The head of a Gaussian policy: the means of actions, and learned standard deviations."""

from typing import Any

import keras
import numpy as np

# A hundredth of Keras' usual weights, squared.
_HEAD_SCALE = 1e-4


@keras.saving.register_keras_serializable("metatrain")
class GaussianHead(keras.layers.Layer):
    """A layer of means, linear in the features, and of constant log standard deviations."""

    def __init__(self, num_actions: int, initial_std: float, **options: Any):
        super().__init__(**options)
        self.num_actions, self.initial_std = num_actions, initial_std

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Make the weights."""
        shape, log_std = (input_shape[-1], self.num_actions), float(np.log(self.initial_std))
        constant = keras.initializers.Constant(log_std)
        # Small means: noise dominates at first. A policy that drifts hardly explores its start.
        small = keras.initializers.VarianceScaling(_HEAD_SCALE, "fan_avg", "uniform")
        self.kernel = self.add_weight(shape=shape, initializer=small, name="kernel")
        self.bias = self.add_weight(shape=shape[1:], initializer="zeros", name="bias")
        self.log_std = self.add_weight(shape=shape[1:], initializer=constant, name="log_std")
        super().build(input_shape)

    def call(self, features: Any) -> Any:
        """Map [batch, features] to [batch, 2 * num_actions]."""
        mean = keras.ops.matmul(features, self.kernel) + self.bias
        log_std = keras.ops.zeros_like(mean) + self.log_std
        return keras.ops.concatenate([mean, log_std], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the outputs: twice as many numbers as actions."""
        return (*input_shape[:-1], 2 * self.num_actions)

    def get_config(self) -> dict[str, Any]:
        """Return the configuration for Keras' files."""
        config = {"num_actions": self.num_actions, "initial_std": self.initial_std}
        return {**super().get_config(), **config}
