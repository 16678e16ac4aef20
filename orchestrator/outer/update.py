"""The outer update: Keras' optimizers and schedules on one flat variable."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from orchestrator.config.driver_settings import OuterSettings
from orchestrator.outer.rounds import Round, RoundResult
from orchestrator.outer.state import MetaState
from orchestrator.outer.trust_region import drive, trust_region
from workers.execution.compiled import Compiled
from workers.execution.runtime import DRIVER_DEVICE
from workers.models.keras_defaults import keras_defaults
from workers.wire.protocol import Array, Vector, Weights
from workers.wire.tensors import from_vector, squared_norm, to_vector

_CLIP_EPSILON = 1e-12


class OuterUpdate:
    """The outer update: theta, the carry, and the optimizer's variables, updated in place.

    The state is read and set explicitly; `step` is the optimizer's own count, so an interrupt
    cannot fall between theta and the count.
    """

    @keras_defaults()
    def __init__(self, settings: OuterSettings, state: MetaState):
        self._settings = settings
        self._names = state.names
        self._shapes = [array.shape for array in state.theta]
        self._carry_shapes = {name: array.shape for name, array in state.carry.items()}
        self._weights = state.weights
        with tf.device(DRIVER_DEVICE):
            self._theta = keras.Variable(to_vector(state.theta), name="theta")
            self._optimizer = _make_optimizer(settings)
            self._optimizer.build([self._theta])
        # By name: a resume with another optimizer or schedule starts its new variables afresh.
        for variable in self._optimizer.variables:
            if variable.path in state.optimizer and variable.name != "learning_rate":
                variable.assign(state.optimizer[variable.path])
        self._optimizer.iterations.assign(state.step * settings.epochs)
        self._update = Compiled(self._update_graph)

    @property
    def step(self) -> int:
        """The number of outer steps done."""
        return self._steps_of(self._optimizer.iterations)

    @property
    def theta(self) -> Vector:
        """A copy of theta, float32 [parameters]."""
        return np.array(self._theta.numpy())

    @property
    def weights(self) -> Weights:
        """The weights from which the blocks of the next step start."""
        return self._weights

    def apply(self, gradient: Vector, carry: Vector) -> None:
        """Apply one update of the optimizer; a step has `epochs` of them.

        Args:
          gradient: the mean outer gradient, float32 [parameters]; clipped as configured.
          carry: the next carry, float32 [carry].
        """
        with tf.device(DRIVER_DEVICE):
            theta, done = self._update("flat", tf.constant(clip(gradient, self._settings)))
        # Set after the update: an interrupt in between leaves a step that counts but is neither
        # reported nor saved. In the other order a new carry could be saved with the old theta.
        self._weights = Weights(theta.numpy(), carry, self._steps_of(done))

    @property
    def fits_a_graph(self) -> bool:
        """Whether an outer step is one update of the optimizer; see `update_for_graphs`."""
        return self._settings.optimizer != "trpo" and self._settings.epochs == 1

    def theta_in_graph(self) -> tf.Tensor:
        """Read theta, float32 [parameters], in a graph."""
        return tf.identity(self._theta.value)

    def update_for_graphs(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Make a function for graphs that does what `apply` does to theta.

        Returns:
          a function from the mean outer gradient to the new theta, both float32 [parameters].
        """
        settings, shape = self._settings, self._theta.shape
        clips = settings.clip_value is not None or settings.clip_norm is not None
        with tf.device(DRIVER_DEVICE):
            update, _ = self._update.traced("flat", tf.zeros(shape))

        def in_graph(gradient: tf.Tensor) -> tf.Tensor:
            if clips:
                gradient = tf.numpy_function(lambda g: clip(g, settings), [gradient], tf.float32)
            # TensorFlow optimizes the update as a part of the graph around it. Without a copy in
            # between it would join the products before and in the update, and change their bits.
            copy = tf.raw_ops.DeepCopy(x=tf.ensure_shape(gradient, shape))
            theta, _ = update(copy)
            return tf.ensure_shape(theta, shape)

        return in_graph

    def adopt(self, theta: Vector, carry: Vector) -> None:
        """Take the weights that `update_for_graphs` led to."""
        self._weights = Weights(theta, carry, self.step)

    def update(
        self, first: RoundResult, carry: Vector, run_round: Callable[[Round], RoundResult]
    ) -> dict[str, float]:
        """Do one outer step of as many rounds as configured; return the numbers to log.

        Args:
          first: the mean outer gradient and metrics. carry: the next carry, float32 [carry].
          run_round: runs a further round over the step's episodes; raises as a pool does.
        """
        settings = self._settings
        if settings.optimizer == "trpo":
            theta, logged = drive(trust_region(settings, self._weights.theta, first), run_round)
            self._jump(theta, carry)
            return logged
        self.apply(first.vector, carry)
        logged = {}
        for _ in range(settings.epochs - 1):
            again = run_round(Round("ppo", self._weights.theta, _clipped(settings)))
            logged = {"kl": again.metrics["kl"]}
            self.apply(again.vector, carry)
        return logged

    def _jump(self, theta: Vector, carry: Vector) -> None:
        """Set theta to the result of a step outside the optimizer; count it first, as `apply`."""
        with tf.device(DRIVER_DEVICE):
            self._optimizer.iterations.assign_add(1)
            self._theta.assign(theta)
        self._weights = Weights(theta, carry, self.step)

    def _steps_of(self, updates: Any) -> int:
        """Return the steps of so many updates; a started step counts, but is never saved."""
        return -(-int(updates.numpy()) // self._settings.epochs)

    def _update_graph(self, gradient: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the new theta and count; reading the variables would cost as much again."""
        with keras_defaults():
            self._optimizer.apply([gradient], [self._theta])
        return tf.identity(self._theta.value), tf.identity(self._optimizer.iterations.value)

    def state(self) -> MetaState:
        """Return a copy of all that the rest of the run depends on."""
        return MetaState(
            step=self.step,
            theta=from_vector(self.theta, self._shapes),
            names=self._names,
            carry=dict(zip(self._carry_shapes, self._unpack_carry(), strict=True)),
            optimizer={v.path: np.array(v.numpy()) for v in self._optimizer.variables},
        )

    def _unpack_carry(self) -> list[Array]:
        return from_vector(self._weights.carry, list(self._carry_shapes.values()))


def clip(gradient: Vector, settings: OuterSettings) -> Vector:
    """Clip a gradient by value, then by global norm.

    Returns:
      a new array, or `gradient` itself where nothing is clipped.
    """
    if settings.clip_value is not None:
        gradient = np.clip(gradient, -settings.clip_value, settings.clip_value)
    if settings.clip_norm is not None:
        norm = squared_norm(gradient) ** 0.5
        if norm > settings.clip_norm:
            gradient = gradient * np.float32(settings.clip_norm / (norm + _CLIP_EPSILON))
    return gradient


def _clipped(settings: OuterSettings) -> Vector:
    """Return the argument of a clipped round; a penalty of 0 is left out and not computed."""
    argument = [settings.clip_ratio, settings.divergence_penalty]
    return np.array(argument if settings.divergence_penalty else argument[:1], np.float32)


def make_schedule(settings: OuterSettings) -> Any:
    """Return the learning rate of the updates: a number, or one of Keras' schedules."""
    warmup_steps = settings.warmup_steps * settings.epochs
    steps = settings.steps * settings.epochs - warmup_steps
    schedule: Any = settings.lr
    if settings.schedule == "linear":
        schedule = keras.optimizers.schedules.PolynomialDecay(
            settings.lr, steps, end_learning_rate=settings.final_lr
        )
    elif settings.schedule == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay(
            settings.lr, steps, alpha=settings.final_lr / settings.lr
        )
    elif settings.schedule == "staircase":
        assert settings.decay_steps is not None, "the configuration refuses such a staircase"
        schedule = keras.optimizers.schedules.ExponentialDecay(
            settings.lr,
            settings.decay_steps * settings.epochs,
            settings.decay_factor,
            staircase=True,
        )
    if warmup_steps:
        return _WarmUp(settings.lr, warmup_steps, schedule)
    return schedule


class _WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that grows linearly to `lr` over `steps`, then follows `after`."""

    def __init__(self, lr: float, steps: int, after: Any):
        super().__init__()
        self._lr, self._steps, self._after = lr, steps, after

    def __call__(self, step: Any) -> Any:
        done = keras.ops.cast(step, "float32")
        after = self._after(step - self._steps) if callable(self._after) else self._after
        warming = self._lr * (done + 1) / self._steps
        return keras.ops.where(done < self._steps, warming, after)

    def get_config(self) -> dict[str, Any]:
        return {"lr": self._lr, "steps": self._steps, "after": self._after}


def _make_optimizer(settings: OuterSettings) -> Any:
    schedule, name = make_schedule(settings), settings.optimizer
    if name in ("sgd", "trpo"):  # trpo uses only its count of steps
        return keras.optimizers.SGD(schedule, name=name)
    if name == "momentum":
        return keras.optimizers.SGD(schedule, momentum=settings.momentum, name=name)
    if name == "adam":
        return keras.optimizers.Adam(schedule, name=name)
    return keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay, name=name)
