"""Scores of outputs that are known already, by a loss and its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workers.losses.loss import Loss
from workers.losses.user_functions import said_of_loss, said_of_metric
from workers.user_code.blame import first_line, line_of
from workers.wire.protocol import Array

if TYPE_CHECKING:
    import tensorflow as tf

#: Name -> float64 [steps].
Scores = dict[str, NDArray[np.float64]]


class Scorer:
    """Scores outputs as an evaluation of the run does.

    Outputs of a shape that was not seen before are scored operation by operation, so that an error
    names the user's line; others of that shape by a graph, in a tenth of the time.

    loss: the run's loss, with its metrics.
    """

    def __init__(self, loss: Loss):
        self.loss = loss
        self._graphs: dict[Any, Any] = {}

    def score(self, outputs: Array, targets: Array, num_classes: int | None = None) -> Scores:
        """Score outputs after each inner step.

        Args:
          outputs: as the loss takes them, [steps, n, outputs].
          targets: as the loss takes them, [n, ...].
          num_classes: classes of the task, if it may have fewer than the model has outputs. Named
            losses and metrics leave the other outputs out. Functions of the user's own get all of
            them, as in the inner loop.
        Returns:
          the metric that decides first.
        Raises:
          ValueError: a function of the user's own raises. Names its line.
        """
        import tensorflow as tf

        by_step = tf.constant(np.asarray(outputs, np.float32))
        wanted = tf.constant(np.asarray(targets, _type_of(targets)))
        key = (*np.shape(outputs), *np.shape(targets), num_classes)
        if graph := self._graphs.get(key):
            values = graph(by_step, wanted).numpy()
        else:
            one = self.function(num_classes)
            values = np.array([one(step, wanted) for step in by_step], np.float32)
            self._graphs[key] = _graph_of(self.function(num_classes))
        names = [metric.name for metric in self.loss.metrics]
        return dict(zip(names, values.astype(np.float64).T, strict=True))

    @property
    def has_users(self) -> bool:
        """Whether the loss or a metric is a function of the user's own."""
        return bool(self._users())

    def function(self, num_classes: int | None) -> Any:
        """Make the function (outputs [n, outputs], targets) -> float32 [metrics], see `score`."""
        import tensorflow as tf

        loss, functions = self.loss, self.loss.functions()
        users = self._users()

        def call(name: str, function: Any, outputs: tf.Tensor, *more: Any) -> tf.Tensor:
            used = outputs if name in users else outputs[..., :num_classes]
            try:
                return function(used, *more)
            except Exception as error:
                if name not in users:
                    raise
                raise ValueError(
                    f"{users[name]} raised {type(error).__name__}"
                    f"{line_of(error, loss.settings.folder)}: {first_line(error)}"
                ) from error

        def one(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
            mean = call("loss", functions.mean, outputs, targets)
            values = [
                mean
                if metric.name not in functions.metrics
                else call(metric.name, functions.metrics[metric.name], outputs, targets, mean)
                for metric in loss.metrics
            ]
            return tf.stack([tf.cast(value, tf.float32) for value in values])

        return one

    def _users(self) -> dict[str, str]:
        """Say which metrics are functions of the user's own, and what errors call them."""
        settings = self.loss.settings
        users = {name: said_of_metric(name, place) for name, place in settings.metrics.items()}
        return users | ({"loss": said_of_loss(self.loss.title)} if self.loss.is_users else {})


def _graph_of(one: Any) -> Any:
    """Make the graph (outputs [steps, n, outputs], targets) -> float32 [steps, metrics]."""
    import tensorflow as tf

    def score(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda step: one(step, targets),
            outputs,
            fn_output_signature=tf.float32,
            parallel_iterations=1,
        )

    return tf.function(score, autograph=False)


def _type_of(targets: Array) -> type[np.generic]:
    """Return the type of targets in episodes."""
    return np.int32 if np.issubdtype(np.asarray(targets).dtype, np.integer) else np.float32
