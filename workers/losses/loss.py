"""The base class of losses: all that other code must know of one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.metrics import METRICS, Metric
from workers.settings.losses.loss_settings import LossSettings, Targets
from workers.wire.protocol import Array

if TYPE_CHECKING:
    import tensorflow as tf

    #: (outputs, targets, the mean loss) -> scalar.
    Measure = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
    #: (outputs, targets) -> [n].
    ByExample = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


#: Floats.
Floats = NDArray[np.floating]

_SIGNS: dict[str, Literal[1, -1]] = {"max": 1, "min": -1}


class LossFunctions(NamedTuple):
    """A loss and its metrics, as TensorFlow functions.

    mean: (outputs, targets) -> scalar.
    metrics: name -> (outputs, targets, that scalar) -> scalar.
    """

    mean: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    metrics: Mapping[str, Measure]


class Loss:
    """What is minimized, by what tasks are scored, and what the model's outputs mean.

    A new loss defines `name`, `title`, `targets`, `scored_by` and `mean`; metrics of its own in
    `measures`. TensorFlow is imported inside methods: records load with the configuration.

    name: in `task.loss` and in files.
    title: for people, with its unit; "" if it is no score.
    targets: what it compares outputs with: "numbers" float32 [n, d], "classes" int32 [n], "labels"
      float32 0 or 1 [n, labels], "candidates" int32 [n], "tokens" int32 [n, length], "actions".
    scored_by: names of the metrics; the first decides between checkpoints and recipes.
    outputs_per_target: outputs of the model for each number, class or label.
    outputs_are: what the model's outputs are, for messages.
    refuses: the activation that a model must not end in, since the loss applies it; "" for none.
    uses: the fields of `LossSettings` that it makes use of.
    squared_error: the metric that is a mean squared error of numbers; "" if none is.
    is_users: whether it is a function of the user's own.
    discrete: whether a policy's actions are one of a few.
    distribution: of a policy's actions, "module:Class"; "" for other losses.
    """

    name: ClassVar[str]
    title: str
    targets: Targets
    scored_by: tuple[str, ...]
    outputs_per_target: int = 1
    outputs_are: ClassVar[str] = "values"
    refuses: ClassVar[str] = ""
    uses: ClassVar[frozenset[str]] = frozenset()
    squared_error: ClassVar[str] = ""
    is_users: ClassVar[bool] = False
    discrete: ClassVar[bool] = False
    distribution: ClassVar[str] = ""

    def __init__(self, settings: LossSettings | None = None):
        self.settings = settings or LossSettings()

    def mean(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Compute the mean loss over examples, a scalar."""
        raise NotImplementedError

    def measures(self) -> Mapping[str, Measure]:
        """Return the functions of its metrics but "loss", by name."""
        return {}

    def by_example(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Compute the loss of each example, [n]; losses that may meet padding have it."""
        raise NotImplementedError

    def measures_by_example(self) -> Mapping[str, ByExample]:
        """Return the metrics of `measures`, each of whose means over examples is the metric."""
        raise NotImplementedError

    def example_weights(self, targets: tf.Tensor, dtype: tf.DType) -> tf.Tensor | None:
        """Return the weight of each example in the mean, [n]; None: all weigh the same."""
        return None

    def functions(self, padded: bool = False) -> LossFunctions:
        """Return the loss and all metrics, the user's own too.

        Args:
          padded: leave out examples that are padding, see `workers.losses.padding`.
        """
        if padded:
            from workers.losses.padding import padded_functions

            return LossFunctions(*padded_functions(self))
        measures = dict(self.measures())
        if self.settings.metrics:
            from workers.losses.user_functions import measures_of

            measures |= measures_of(self.settings)
        return LossFunctions(self.mean, measures)

    def digest(self) -> str:
        """Compute the sha256 of the user's files that it and its metrics need; "" for none."""
        return self._digest("") if self.settings.metrics else ""

    def _digest(self, name: str) -> str:
        from workers.losses.user_functions import digest_of

        return digest_of(name, self.settings)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics by which tasks are scored; the first decides."""
        own = [METRICS[name] for name in (*self.scored_by, *self.settings.reported)]
        metrics = [*own, *itertools.starmap(metric_of, self.settings.metrics.items())]
        main = self.settings.main_metric
        return tuple(sorted(metrics, key=lambda metric: metric.name != main))

    @property
    def main(self) -> Metric:
        """The metric that decides between checkpoints and recipes."""
        return self.metrics[0]

    @property
    def classifies(self) -> bool:
        """Whether outputs are scores of a few classes, exactly one of which is right."""
        return self.targets in ("classes", "candidates")

    @property
    def is_covered(self) -> bool:
        """Whether predictions have sets of classes or intervals of numbers that hold the truth."""
        return self.classifies or self.targets == "numbers"

    @property
    def acts(self) -> bool:
        """Whether outputs are a distribution over a policy's actions."""
        return self.targets == "actions"

    @property
    def generates(self) -> bool:
        """Whether outputs are scores of the next token."""
        return self.targets == "tokens"

    def chance(self, num_outputs: int, of_task: float | None) -> float | None:
        """Return the main metric of a model that has learned nothing; None where it is unknown.

        Args:
          num_outputs: outputs of the model.
          of_task: what the family says, of the mean squared error.
        """
        return None if self.main.name != self.scored_by[0] else self._chance(num_outputs, of_task)

    def _chance(self, num_outputs: int, of_task: float | None) -> float | None:
        return 1 / num_outputs if self.classifies else None

    def unit(self, of_targets: str) -> str:
        """Say in which unit the loss is, for protocols, where `of_targets` is a target's unit."""
        return f"that of targets divided by {of_targets}"

    def check_targets(self, targets: Array) -> None:
        """Raise ValueError if a user's targets [n, d] cannot be such; they are finite."""

    def predicted(self, outputs: Array) -> Array:
        """Return what outputs [.., outputs] predict: numbers, or probabilities of labels."""
        return outputs

    def deviations(self, outputs: Array) -> Array | None:
        """Return the standard deviation of each predicted number; None if the loss has none."""
        return None

    def scale(self, mean: Floats, deviation: Floats) -> tuple[Floats, Floats]:
        """Return shift and factor of all outputs [outputs], if targets were standardized so."""
        return mean, deviation


def metric_of(name: str, place: str) -> Metric:
    """Return a metric of the user's own, "max:", "min:" or nothing, then "module:function"."""
    mode = place.partition(":")[0] if place.count(":") > 1 else ""
    return Metric(name, _SIGNS.get(mode, 0))
