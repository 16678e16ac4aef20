"""Sets, intervals and doubts of predictions."""

from typing import NamedTuple

import numpy as np

from orchestrator.calibration.calibration import StepCalibration
from orchestrator.calibration.nonconformity import OfNumbers, nonconformity_of
from orchestrator.calibration.quantiles import Floats, Numbers, threshold
from orchestrator.calibration.temperature import softmax
from workers.losses.loss import Loss


class Uncertainty(NamedTuple):
    """How sure predictions are.

    sets: whether a class is in the set of a query, bool [.., classes]; None for numbers.
    half_widths: half the width of each number's interval, in units of the model, float64 [..,
      numbers], inf where it is without bounds; None for classes.
    unknown: whether the prediction is less sure than nearly all of validation tasks, bool [..];
      None if the loss does not say how sure it is.
    """

    sets: Numbers | None
    half_widths: Floats | None
    unknown: Numbers | None


def uncertainty_of(
    loss: Loss, calibration: StepCalibration, outputs: Numbers, coverage: float, false_alarms: float
) -> Uncertainty:
    """Return how sure predictions are.

    Args:
      outputs: as the loss takes them, [.., outputs]; of classes, those of the task.
      coverage: the share of true answers that sets or intervals hold.
      false_alarms: the share of queries of tasks like the validation tasks that are unknown.
    Raises:
      ValueError: a share is out of range.
    """
    measured = nonconformity_of(loss)
    assert measured is not None
    limits = np.array([threshold(table, coverage) for table in calibration.thresholds])
    sets = half_widths = unknown = None
    if isinstance(measured, OfNumbers):
        half_widths = limits * measured.units(outputs)
    else:
        sets = 1 - softmax(outputs, calibration.temperature or 1.0) <= limits
    doubts = measured.doubts(outputs, calibration.temperature)
    if doubts is not None:
        unknown = doubts > threshold(calibration.doubts, 1 - false_alarms)
    return Uncertainty(sets, half_widths, unknown)
