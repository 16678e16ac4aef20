"""Whether a task is like the validation tasks, by the losses of its support set."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from orchestrator.calibration.quantiles import p_value

#: A task whose p-value is at most this is flagged: one in a hundred that are like validation tasks.
UNLIKE = 0.01
# Of the median loss: a unit is no less, or losses that are all but equal would decide.
_LEAST = 0.01


def likeness(losses: Sequence[float], others: ArrayLike) -> float:
    """Return the p-value of a task among the validation tasks, > 0 and at most 1.

    A task's distance is that of its support loss before or after adaptation, whichever is greater,
    from the median over all tasks, its own among them, in units of the median distance from it. If
    the task and the others are exchangeable, the p-value is at most p with probability p or less.

    Args:
      losses: of the task's support set, before and after adaptation.
      others: the same of validation tasks, [tasks, 2].
    """
    rows = np.asarray(others, np.float64).reshape(-1, 2)
    every = np.vstack([rows, np.asarray(losses, np.float64)])
    center = np.median(every, axis=0)
    distances = np.abs(every - center)
    least = np.maximum(_LEAST * np.abs(center), np.finfo(np.float64).tiny)
    with np.errstate(over="ignore"):
        farthest = (distances / np.maximum(np.median(distances, axis=0), least)).max(-1)
    return p_value(farthest[-1], farthest[:-1])
