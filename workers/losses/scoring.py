"""Scores of outputs that are known already, by a loss and its metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workers.losses.loss import Loss
from workers.losses.user_functions import said_of_loss, said_of_metric
from workers.user_code.blame import first_line, line_of
from workers.wire.protocol import Array

if TYPE_CHECKING:
    import tensorflow as tf

Scores = dict[str, NDArray[np.float64]]


def score_outputs(
    loss: Loss, outputs: Array, targets: Array, num_classes: int | None = None
) -> Scores:
    """Score outputs as an evaluation of the run does.

    Args:
      outputs: as the loss takes them, [steps, n, outputs].
      targets: as the loss takes them, [n, ...].
      num_classes: classes of the task, if it may have fewer than the model has outputs. Named
        losses and metrics leave the other outputs out. Functions of the user's own get all of them,
        as in the inner loop.
    Returns:
      name -> float64 [steps]; the metric that decides is first.
    Raises:
      ValueError: a function of the user's own raises. Names its line.
    """
    import tensorflow as tf

    functions, settings = loss.functions(), loss.settings
    users = {name: said_of_metric(name, place) for name, place in settings.metrics.items()}
    if loss.is_users:
        users["loss"] = said_of_loss(loss.title)
    wanted = tf.constant(np.asarray(targets, _type_of(targets)))

    def call(name: str, function: Callable[..., Any], all_of_them: tf.Tensor, *more: Any) -> Any:
        used = all_of_them if name in users else all_of_them[..., :num_classes]
        try:
            return function(used, wanted, *more)
        except Exception as error:
            if name not in users:
                raise
            raise ValueError(
                f"{users[name]} raised {type(error).__name__}{line_of(error, settings.folder)}: "
                f"{first_line(error)}"
            ) from error

    scores: dict[str, list[float]] = {metric.name: [] for metric in loss.metrics}
    for array in outputs:
        of_step = tf.constant(np.asarray(array, np.float32))
        mean = call("loss", functions.mean, of_step)
        for name, values in scores.items():
            measure = functions.metrics.get(name)
            values.append(float(mean if measure is None else call(name, measure, of_step, mean)))
    return {name: np.array(values, np.float64) for name, values in scores.items()}


def _type_of(targets: Array) -> type[np.generic]:
    """Return the type of targets in episodes."""
    return np.int32 if np.issubdtype(np.asarray(targets).dtype, np.integer) else np.float32
