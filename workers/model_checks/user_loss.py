"""Checks of a user's own loss and metrics before anything is trained."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from workers.losses.registry import loss_of
from workers.losses.user_functions import function_of, place_of, said_of_loss, said_of_metric
from workers.meta_parameters import has_global_labels, make_whole_model
from workers.model_checks.loss_derivatives import compiled_fault, second_derivative
from workers.models.keras_defaults import keras_defaults
from workers.settings.worker import ActorSettings
from workers.tasks.family import TaskFamily
from workers.user_code.blame import first_line, line_of
from workers.wire.protocol import Draw

_TASKS = 3
_NOISE = 0.1


class Point(NamedTuple):
    """The arguments of a loss: outputs float32 [n, outputs], and targets [n, ...]."""

    outputs: tf.Tensor
    targets: tf.Tensor


class _Function(NamedTuple):
    """A user's function.

    said: how errors call it. call: takes outputs and targets. folder: of its module.
    """

    said: str
    call: Callable[..., Any]
    folder: str

    def __call__(self, outputs: tf.Tensor, targets: tf.Tensor) -> Any:
        """Call it. Raises ValueError, which names the line, if it raises."""
        try:
            return self.call(outputs, targets)
        except (Exception, SystemExit) as error:
            raise ValueError(
                f"{self.said} raised {type(error).__name__}{line_of(error, self.folder)}: "
                f"{first_line(error)}"
            ) from error


@keras_defaults()
def check_loss(settings: ActorSettings, family: TaskFamily) -> list[str]:
    """Call a user's loss and metrics on the first training tasks, as training would.

    Returns:
      what was not checked, for the user.
    Raises:
      ValueError: one of them cannot be found, raises, or does not give what is needed; says what.
    """
    loss = loss_of(family)
    supports, queries = _points(settings, family)
    notes = []
    if loss.is_users:
        said = said_of_loss(loss.title)
        call = function_of(said, loss.title, loss.settings)
        notes += _check_loss(_Function(said, call, loss.settings.folder), supports, settings)
    if loss.settings.metrics and loss.outputs_per_target > 1:
        notes.append(
            f"metrics of your own get all outputs of {loss.title}, "
            f"{loss.outputs_per_target} for each number: the first ones are the predictions"
        )
    for name, place in loss.settings.metrics.items():
        said = said_of_metric(name, place)
        call = function_of(said, place_of(place), loss.settings)
        _check_metric(_Function(said, call, loss.settings.folder), queries, settings)
    return notes


def _points(settings: ActorSettings, family: TaskFamily) -> tuple[list[Point], list[Point]]:
    """Return the outputs of the initial model for support sets and queries, with their targets."""
    task: Any = settings.task
    specs = family.sample(Draw(settings.seed, "train", 0), 0, _TASKS, task.shots, task.queries)
    episode = family.build(specs, global_labels=has_global_labels(settings, family))
    model = make_whole_model(settings, family)
    weights = [tf.constant(value) for value in model.initial_weights()]
    statistics = [tf.constant(value) for value in model.initial_statistics()]

    def points(inputs: Any, targets: Any) -> list[Point]:
        state = model.start(statistics, tf.zeros(2, tf.int32))
        return [
            Point(model.apply(weights, state, tf.constant(x))[0], tf.constant(y))
            for x, y in zip(inputs, targets, strict=True)
        ]

    return (
        points(episode.support_inputs, episode.support_targets),
        points(episode.query_inputs, episode.query_targets),
    )


def _check_loss(function: _Function, points: Sequence[Point], settings: ActorSettings) -> list[str]:
    said = function.said
    for number, point in enumerate(points):
        _check_value(function, point, number)
    near = [_beside(function, point, number) for number, point in enumerate(points)]
    slopes = [_gradient(function, *point) for point in [*points, *near]]
    if not any(np.any(slope) for slope in slopes):
        raise ValueError(
            f"{said} has a gradient of 0 with respect to outputs wherever it was looked at: "
            "nothing could be learned; use operations that have one (not tf.sign, tf.round, ...)"
        )
    if fault := compiled_fault(function.call, points, settings.execution, derivative=True):
        raise ValueError(f"{said} {fault}")
    if not settings.algorithm.second_order:
        return []
    verdict, reason = second_derivative(function.call, near)
    if verdict == "wrong":
        raise ValueError(
            f"{said} has {reason}, and algorithm.kind = {settings.algorithm.kind!r} needs it; use "
            f"other operations, or set {settings.algorithm.without_second_order}"
        )
    if verdict == "unknown":
        return [f"the second derivative of {said} was not checked: {reason}"]
    return []


def _check_value(function: _Function, point: Point, number: int) -> None:
    """Check that a loss gives one finite number of float32, and the same one again."""
    said, value = function.said, function(*point)
    if not tf.is_tensor(value):
        raise ValueError(
            f"{said} returned {_told(value)}, not a tensor; compute it from outputs with "
            "TensorFlow operations"
        )
    if value.shape.rank != 0:
        raise ValueError(
            f"{said} returned a tensor of shape {list(value.shape)}; a loss is one number for all "
            "examples: end with tf.reduce_mean(...)"
        )
    if value.dtype != tf.float32:
        raise ValueError(
            f"{said} returned a number of type {value.dtype.name}; outputs are float32, and so "
            "must be the loss: cast targets to outputs.dtype"
        )
    _check_number(function, point, number, float(value))


def _check_number(function: _Function, point: Point, number: int, value: float) -> None:
    said = function.said
    if not np.isfinite(value):
        raise ValueError(
            f"{said} is {value} for training task {number} at the initial weights; it must be "
            "finite there"
        )
    again = float(function(*point))
    if again != value:
        raise ValueError(
            f"{said} is {value:.9g}, then {again:.9g} for the same outputs and targets: no run "
            "could be repeated; leave out random numbers, and keep nothing between calls"
        )


def _gradient(function: _Function, outputs: tf.Tensor, targets: tf.Tensor) -> Any:
    said = function.said
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        value = function(outputs, targets)
    try:
        gradient = tape.gradient(value, outputs)
    except LookupError as error:
        raise ValueError(f"{said} has no gradient: {first_line(error)}") from None
    if gradient is None:
        raise ValueError(
            f"{said} has no gradient with respect to outputs; compute it from them with "
            "operations that have one (not tf.argmax, tf.round, a cast to integers, or NumPy)"
        )
    if not np.isfinite(gradient).all():
        raise ValueError(
            f"{said} has a gradient that is not finite at the initial weights; keep arguments of "
            "tf.sqrt, tf.math.log and divisions away from 0"
        )
    return gradient


def _beside(function: _Function, point: Point, seed: int) -> Point:
    """Move outputs a little, off kinks; where the loss is not defined there, keep them."""
    noise = np.random.default_rng(seed).normal(size=point.outputs.shape)
    moved = Point(point.outputs + tf.constant(_NOISE * noise, tf.float32), point.targets)
    return moved if np.isfinite(float(function(*moved))) else point


def _check_metric(function: _Function, points: Sequence[Point], settings: ActorSettings) -> None:
    """Check that a metric gives a number, and the same one again."""
    said = function.said
    for number, point in enumerate(points):
        value = function(*point)
        try:
            tensor = tf.convert_to_tensor(value)
        except (ValueError, TypeError):
            raise ValueError(f"{said} returned {_told(value)}, not a number") from None
        if tensor.shape.rank != 0:
            raise ValueError(
                f"{said} returned a tensor of shape {list(tensor.shape)}; a metric is one number "
                "for all examples: end with tf.reduce_mean(...)"
            )
        if not (tensor.dtype.is_floating or tensor.dtype.is_integer or tensor.dtype.is_bool):
            raise ValueError(f"{said} returned {_told(value)}, not a number")
        _check_number(function, point, number, float(tensor))

    def measure(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        return tf.cast(function.call(outputs, targets), tf.float32)

    if fault := compiled_fault(measure, points, settings.execution, derivative=False):
        raise ValueError(f"{said} {fault}")


def _told(value: Any) -> str:
    if value is None:
        return "None (is there a return?)"
    if tf.is_tensor(value):
        return f"a tensor of type {value.dtype.name}"
    return f"an object of type {type(value).__name__}"
