"""The temperature of logits, and the error of calibration before and after it."""

import numpy as np
from numpy.typing import ArrayLike

from orchestrator.calibration.quantiles import Floats, Numbers

#: The least and the greatest temperature.
COLDEST, HOTTEST = 1e-4, 1e4
NUM_BINS = 15
_MOST_STEPS, _CLOSE = 80, 1e-10
# The logit of a class without an example is far below the others (`ABSENT` of computed heads), or
# -inf. Raised to this, which keeps sums finite, its probability is 0 as well.
_LOWEST = -1e8


def softmax(logits: Numbers, temperature: float = 1.0) -> Floats:
    """Return the probabilities of classes at a temperature, [.., classes]."""
    exp = np.exp(_centered(logits) / temperature)
    return np.asarray(exp / exp.sum(-1, keepdims=True))


def fit_temperature(logits: Numbers, targets: Numbers, weights: Floats) -> float:
    """Return the temperature at which the mean cross-entropy is least.

    Args:
      logits: [n, classes]. targets: int [n]. weights: of examples, [n].
    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2. The cross-entropy is convex in
      1 / temperature: Newton's steps lead to its minimum, or halves of what is left where these
      do not shrink.
    """
    z = _centered(logits)
    own = np.take_along_axis(z, targets[:, None], -1)[:, 0]
    low, high, inverse, change = 1 / HOTTEST, 1 / COLDEST, 1.0, np.inf
    for _ in range(_MOST_STEPS):
        p = softmax(z, 1 / inverse)
        mean = (p * z).sum(-1)
        slope = float(weights @ (mean - own))
        curvature = float(weights @ ((p * np.square(z)).sum(-1) - np.square(mean)))
        low, high = (inverse, high) if slope <= 0 else (low, inverse)
        step = -slope / curvature if curvature > 0 else np.inf
        shrinks = 2 * abs(step) <= change and low <= inverse + step <= high
        new = inverse + step if shrinks else float(np.sqrt(low * high))
        change = abs(new - inverse)
        if change <= _CLOSE * inverse:
            break
        inverse = new
    return float(1 / inverse)


def bins_of(confidence: ArrayLike, right: ArrayLike, weights: ArrayLike) -> Floats:
    """Return the share of examples, their mean confidence and their accuracy by confidence.

    Args:
      confidence, right, weights: [n]; a NaN confidence has the weight 0.
    Returns:
      [bins, 3]: of `NUM_BINS` bins of equal width; 0 where a bin is empty.
    """
    own = ~np.isnan(np.asarray(confidence, np.float64))
    c, r, w = (np.asarray(values, np.float64)[own] for values in (confidence, right, weights))
    place = np.clip(np.ceil(c * NUM_BINS).astype(int) - 1, 0, NUM_BINS - 1)
    shares, sums, rights = (
        np.bincount(place, weights=w * values, minlength=NUM_BINS) for values in (np.ones(1), c, r)
    )
    filled = np.maximum(shares, 1e-300)
    return np.stack([shares, sums / filled, rights / filled], axis=-1)


def calibration_error(bins: Floats) -> float:
    """Return the expected calibration error of `bins_of`: mean |accuracy - confidence|.

    Source: Guo et al. 2017, arXiv:1706.04599, equation 3.
    """
    shares, confidence, accuracy = bins.T
    return float(shares @ np.abs(accuracy - confidence))


def _centered(logits: Numbers) -> Floats:
    values = np.asarray(logits, np.float64)
    return np.maximum(values - values.max(-1, keepdims=True), _LOWEST)
