"""The functions of a user's own loss and metrics: found, looked at, and called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from workers.settings.losses.loss_settings import LossSettings
from workers.user_code.files import digest_of_files
from workers.user_code.modules import find, import_module, own_names

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.losses.loss import Measure

_ARGUMENTS = ("outputs", "targets")
# Keras' order is the other one.
_FIRST, _SECOND = ("y_true", "targets", "labels"), ("y_pred", "outputs", "logits")


def mean_of(name: str, settings: LossSettings) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return the function of a loss.

    Args:
      name: "module:function".
    Raises:
      ValueError: there is none, or it does not take (outputs, targets).
    """
    function = function_of(said_of_loss(name), name, settings)
    return lambda outputs, targets: function(outputs, targets)


def measures_of(settings: LossSettings) -> dict[str, Measure]:
    """Return the functions of the user's metrics, which give float32 scalars.

    Raises:
      ValueError: as `mean_of`.
    """
    return {
        name: _as_measure(function_of(said_of_metric(name, place), place_of(place), settings))
        for name, place in settings.metrics.items()
    }


def _as_measure(function: Callable[..., Any]) -> Measure:
    def measure(outputs: tf.Tensor, targets: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        return tf.cast(function(outputs, targets), tf.float32)

    return measure


def said_of_loss(name: str) -> str:
    """Say which setting names a loss, for errors."""
    return f"task.loss = {name!r}"


def said_of_metric(name: str, place: str) -> str:
    """Say which setting names a metric, for errors."""
    return f"task.metrics.{name} = {place!r}"


def place_of(metric: str) -> str:
    """Return the "module:function" of a metric."""
    return ":".join(metric.split(":")[-2:])


def function_of(said: str, place: str, settings: LossSettings) -> Callable[..., Any]:
    """Import what `place` names.

    Args:
      said: how errors call it.
    Raises:
      ValueError: there is none, or it does not take (outputs, targets).
    """
    for name in settings.imports:
        import_module(name, settings.folder)
    module_name, _, name = place.partition(":")
    module = import_module(module_name, settings.folder)
    try:
        function = find(module, name)
    except AttributeError:
        there = ", ".join(own_names(module, classes=False)) or "none"
        raise ValueError(
            f"{said}: {module_name} has no function {name!r}; it has {there}"
        ) from None
    if inspect.isclass(function) or not callable(function):
        kind = "a class" if inspect.isclass(function) else f"an object of {type(function).__name__}"
        raise ValueError(
            f"{said} is {kind}, not a function of ({', '.join(_ARGUMENTS)}) that returns a scalar"
        )
    _check_signature(said, function)
    return function


def _check_signature(said: str, function: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin: the first call shows
        return
    own = list(signature.parameters)
    taken = f"{said} takes ({', '.join(map(str, signature.parameters.values()))})"
    called = f"but is called with ({', '.join(_ARGUMENTS)})"
    try:
        signature.bind(*_ARGUMENTS)
    except TypeError as error:
        raise ValueError(f"{taken}, {called}: {error}") from None
    if own[0] in _FIRST and own[1:2] and own[1] in _SECOND:
        raise ValueError(f"{taken}, {called}, in this order; write a function that swaps them")


def modules_of(name: str, settings: LossSettings) -> tuple[ModuleType, ...]:
    """Import the user's modules that a loss and its metrics are from; () if all are named ones."""
    places = [place_of(place) for place in settings.metrics.values()]
    places += [name] if ":" in name else []
    names = [*settings.imports, *(place.partition(":")[0] for place in places)] if places else []
    return tuple(import_module(each, settings.folder) for each in dict.fromkeys(names))


def digest_of(name: str, settings: LossSettings) -> str:
    """Compute the sha256 of the user's files that a loss and its metrics are from; "" for none."""
    modules = modules_of(name, settings)
    return digest_of_files(modules, settings.folder).hexdigest() if modules else ""
