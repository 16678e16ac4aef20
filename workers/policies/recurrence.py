"""The inputs of a recurrent policy, and its outputs over the steps of a trial."""

from typing import Any

import numpy as np
import tensorflow as tf

from workers.inner.losses import Theta
from workers.models.functional import FunctionalModel, State
from workers.policies.distributions import distribution_of
from workers.tasks.environments.family import EnvironmentFamily
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Array


def num_seen(family: TaskFamily) -> int:
    """Count the numbers that a recurrent policy sees of a step, see `seen`."""
    return int(np.prod(family.input_shape)) + distribution_of(family).num_features + 2


def seen(observations: Array, features: Array, rewards: Array, ended: Array) -> Array:
    """Join what a recurrent policy sees of a step: float32 [..., numbers].

    Args:
      observations: [..., numbers].
      features: of the action before, see `Distribution.features`; 0 at the start of a trial.
      rewards: [...], after that action; likewise.
      ended: [...], 1 if that action was the last one of an episode, else 0.
    Source: Duan et al. 2016, arXiv:1611.02779, section 2.2.
    """
    columns = [observations, features, rewards[..., None], ended[..., None]]
    joined: Array = np.concatenate(columns, axis=-1, dtype=np.float32, casting="same_kind")
    return joined


def unroll(model: FunctionalModel, theta: Theta, layers: State, inputs: tf.Tensor) -> tf.Tensor:
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


class Memory:
    """The state of recurrent policies in their trials, and what they see of the last step.

    All arrays are float32 [tasks, trials, ...].
    """

    def __init__(self, family: EnvironmentFamily, shape: tuple[int, int], state_size: int):
        """Start trials. shape: [tasks, trials]."""
        self._distribution = distribution_of(family)
        self.state = np.zeros((*shape, state_size), np.float32)
        self._features = np.zeros((*shape, self._distribution.num_features), np.float32)
        self._rewards, self._ended = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._next = self.state

    def inputs(self, observations: Array) -> Array:
        """Return what policies see of the next step, with normalized observations [.., numbers]."""
        return seen(observations, self._features, self._rewards, self._ended)

    def think(self, state: Array) -> None:
        """Take the state after `inputs`; `take` keeps it."""
        self._next = np.asarray(state, np.float32)

    def take(self, actions: Array, rewards: Array, active: Array) -> None:
        """Take a step in the trials whose episode has not ended yet: active, bool."""
        features = self._distribution.features(np.asarray(actions, np.float32))
        self.state = np.where(active[..., None], self._next, self.state)
        self._features = np.where(active[..., None], features, self._features)
        self._rewards = np.where(active, rewards, self._rewards).astype(np.float32)
        self._ended = np.where(active, np.float32(0), self._ended)

    def end_episode(self) -> None:
        """Note that all episodes have ended."""
        self._ended = np.ones_like(self._ended)
