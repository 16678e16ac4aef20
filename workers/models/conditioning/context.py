"""Context parameters in a network: an addition to its inputs, or to what lies between its layers.

Source: Zintgraf et al. 2019, arXiv:1810.03642, section 3; FiLM: Perez et al. 2018,
arXiv:1709.07871.
"""

from typing import Any

import keras
import tensorflow as tf

#: Name of the layer that holds them.
CONTEXT = "context"


class Context(keras.layers.Layer):
    """The context parameters of a task: [size] numbers, which start at 0.

    size: their number.
    """

    def __init__(self, size: int, **options: Any):
        super().__init__(**options)
        self.size = size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the parameters."""
        self.parameters = self.add_weight(
            shape=(self.size,), initializer="zeros", name="parameters"
        )
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Give each of [batch, n] the parameters: [batch, size]."""
        each = tf.zeros_like(tf.convert_to_tensor(inputs)[:, :1])
        return each + tf.convert_to_tensor(self.parameters)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [batch, size]."""
        return (input_shape[0], self.size)

    def get_config(self) -> dict[str, Any]:
        """Return the configuration for Keras' files."""
        return {**super().get_config(), "size": self.size}


def concatenated(inputs: Any, size: int) -> Any:
    """Put context parameters behind inputs [batch, n]: [batch, n + size]."""
    context = Context(size, name=CONTEXT)(inputs)
    return keras.layers.Concatenate(name="with_context")([inputs, context])


def film(hidden: Any, size: int) -> Any:
    """Scale and shift each channel of [batch, height, width, channels] by the context parameters.

    Scales and offsets are linear in these. Where they are 0, the scales are 1 at first, and the
    offsets 0: the network is then what it is without context. The authors' initial scales are
    about 0.
    """
    layers, channels = keras.layers, hidden.shape[-1]
    pooled = layers.GlobalAveragePooling2D(name="places_of_context")(hidden)
    context = Context(size, name=CONTEXT)(pooled)
    scale = layers.Dense(channels, bias_initializer="ones", name="film_scale")(context)
    shift = layers.Dense(channels, name="film_shift")(context)
    each = (-1, 1, 1, channels)
    return hidden * keras.ops.reshape(scale, each) + keras.ops.reshape(shift, each)
