"""What is measured of a prediction: how far the true answer is from it, and how sure it is."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from orchestrator.calibration.quantiles import Floats, Numbers, weights_of
from orchestrator.calibration.temperature import fit_temperature, softmax
from workers.losses.loss import Loss


class Nonconformity(Protocol):
    """What is measured of predictions that a loss makes.

    gives: what a coverage gives: sets of classes, or intervals of numbers.
    title: the score, for people.
    """

    gives: Literal["sets", "intervals"]
    title: str

    def temperature(self, outputs: Numbers, targets: Numbers) -> float | None:
        """Fit the temperature to outputs [tasks, queries, outputs]; None: there is none."""

    def scores(self, outputs: Numbers, targets: Numbers, temperature: float | None) -> Floats:
        """Return how far true answers are from predictions: [tasks, queries, numbers].

        NaN where the query is padding.
        """

    def doubts(self, outputs: Numbers, temperature: float | None) -> Floats | None:
        """Return how unsure predictions are, [.., queries]; None: the loss does not say."""


def is_real(targets: Numbers) -> NDArray[np.bool_]:
    """Tell which queries are none of padding: [tasks, queries]; see `workers.losses.padding`."""
    if np.issubdtype(targets.dtype, np.integer):
        return np.asarray(targets >= 0)
    return np.asarray(~np.isnan(targets[..., 0]))


class OfClasses:
    """Classes: 1 minus the probability, at the temperature, of the true class.

    Its sets hold every class whose probability is at least 1 minus the threshold. Of all sets with
    their coverage they are the smallest on average, if the probabilities are right (Sadinle, Lei
    and Wasserman 2019, arXiv:1609.00451). A set may be empty: no class is as probable as true ones
    are.
    """

    gives: Literal["sets", "intervals"] = "sets"
    title = "1 - probability of the class"

    def temperature(self, outputs: Numbers, targets: Numbers) -> float | None:
        """See `Nonconformity`."""
        own = is_real(targets)
        weights = weights_of(np.where(own, 0.0, np.nan))
        return fit_temperature(outputs[own], targets[own], weights[own])

    def scores(self, outputs: Numbers, targets: Numbers, temperature: float | None) -> Floats:
        """See `Nonconformity`; one number."""
        p = softmax(outputs, temperature or 1.0)
        own = np.take_along_axis(p, np.maximum(targets, 0)[..., None].astype(np.int64), -1)
        return np.where(is_real(targets)[..., None], 1 - own, np.nan)

    def doubts(self, outputs: Numbers, temperature: float | None) -> Floats | None:
        """See `Nonconformity`: 1 minus the greatest probability."""
        return 1 - softmax(outputs, temperature or 1.0).max(-1)


class OfNumbers:
    """Numbers: the distance from the prediction, over the deviation if the loss predicts one."""

    gives: Literal["sets", "intervals"] = "intervals"

    def __init__(self, loss: Loss):
        self._loss = loss
        self.title = "distance from the prediction"

    def temperature(self, outputs: Numbers, targets: Numbers) -> float | None:
        """See `Nonconformity`: thresholds do what it would do."""
        return None

    def scores(self, outputs: Numbers, targets: Numbers, temperature: float | None) -> Floats:
        """See `Nonconformity`; a row for each number of a target."""
        predicted = np.asarray(self._loss.predicted(outputs), np.float64)
        return np.asarray(np.abs(targets - predicted) / self.units(outputs))

    def doubts(self, outputs: Numbers, temperature: float | None) -> Floats | None:
        """See `Nonconformity`: the mean logarithm of the deviations."""
        deviations = self._loss.deviations(outputs)
        return None if deviations is None else np.log(deviations).mean(-1)

    def units(self, outputs: Numbers) -> Floats:
        """Return what a threshold of 1 is, in units of the model: [.., numbers]."""
        deviations = self._loss.deviations(outputs)
        if deviations is None:
            return np.ones_like(self._loss.predicted(outputs), np.float64)
        return np.asarray(deviations, np.float64)


def nonconformity_of(loss: Loss) -> Nonconformity | None:
    """Return what is measured of a loss's predictions; None: neither sets nor intervals."""
    if not loss.is_covered:
        return None
    return OfClasses() if loss.classifies else OfNumbers(loss)
