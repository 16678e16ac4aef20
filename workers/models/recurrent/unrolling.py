"""The outputs of a recurrent model over the steps of trials."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from workers.models.functional import FunctionalModel, State


def unroll(
    model: FunctionalModel, theta: Sequence[tf.Tensor], layers: State, inputs: tf.Tensor
) -> tf.Tensor:
    """Compute the outputs for the steps of trials; the state starts at 0.

    Args:
      model: a step, see `Model.state_size`.
      layers: the state of the model's layers; it has none that changes.
      inputs: [trials, steps, numbers].
    Returns:
      [trials, steps, num_outputs].
    """
    trials, steps, numbers = inputs.shape
    state_size = model.input_shape[0] - numbers
    by_step = tf.transpose(inputs, [1, 0, 2])

    def one(step: tf.Tensor, state: tf.Tensor, outputs: Any) -> tuple[Any, tf.Tensor, Any]:
        joined, _ = model.apply(theta, layers, tf.concat([by_step[step], state], axis=-1))
        own, state = split_state(joined, state_size)
        return step + 1, state, outputs.write(step, own)

    state = tf.zeros([trials, state_size], inputs.dtype)
    _, _, outputs = tf.while_loop(
        lambda step, *_: step < steps,
        one,
        (0, state, tf.TensorArray(inputs.dtype, steps)),
        parallel_iterations=1,
        maximum_iterations=steps,
    )
    return tf.transpose(outputs.stack(), [1, 0, 2])


def split_state(joined: tf.Tensor, state_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Split a recurrent model's outputs into those for actions and the next state."""
    return joined[..., :-state_size], joined[..., -state_size:]
