"""Conformal quantiles: thresholds that hold for a further task."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
#: Outputs, float32, or targets, int32 or float32.
Numbers = NDArray[Any]

#: Coverages whose thresholds are kept; one in between has the threshold of the next.
LEVELS: tuple[float, ...] = (*(percent / 100 for percent in range(50, 100)), 0.995, 0.999)
# Sums of weights may be short of a coverage by their last digits.
_ROUNDING = 1e-9


def conformal_quantiles(scores: ArrayLike, levels: Sequence[float] = LEVELS) -> Floats:
    """Return thresholds that a query of a further task does not exceed, each with its coverage.

    With K tasks, a query of task k with n_k queries has the weight 1 / ((K + 1) n_k); the rest,
    1 / (K + 1), is that of the further task, whose scores may be anything. The threshold is the
    least score up to which the weights add to the coverage. If the K tasks and the further one are
    exchangeable, and so are the queries of a task, then a query of the further task is at most the
    threshold with at least that probability: on average over tasks, not in each task.

    Args:
      scores: the scores of queries, [tasks, queries]; NaN: there is no such query.
      levels: coverages, ascending, each above 0 and below 1.
    Returns:
      a threshold for each level; inf where there are too few tasks: below 1 / (1 - level) - 1.
    Source: Lee, Barber and Willett 2023, arXiv:2306.06342, hierarchical conformal prediction. That
      of exchangeable tasks: Fisch et al. 2021, arXiv:2102.08898.
    """
    values = np.asarray(scores, np.float64)
    weights = weights_of(values)
    if not weights.size:
        return np.full(len(levels), np.inf)
    own = ~np.isnan(values)
    flat, mass = values[own], weights[own] * len(values) / (len(values) + 1)
    order = np.argsort(flat, kind="stable")
    reached = np.cumsum(mass[order])
    places = np.searchsorted(reached, np.asarray(levels) - _ROUNDING)
    return np.append(flat[order], np.inf)[places]


def threshold(table: Sequence[float], coverage: float) -> float:
    """Return the threshold of a coverage from a table by `LEVELS`, which may end early: then inf.

    Raises:
      ValueError: the coverage is not in the table's range.
    """
    check_coverage(coverage)
    place = int(np.searchsorted(np.asarray(LEVELS), coverage - _ROUNDING))
    return table[place] if place < len(table) else float("inf")


def check_coverage(coverage: float) -> float:
    """Return a coverage; raise ValueError if there are no thresholds for it."""
    if not LEVELS[0] <= coverage <= LEVELS[-1]:
        raise ValueError(
            f"coverage = {coverage!r}: give the share of true answers to be covered, from "
            f"{LEVELS[0]} to {LEVELS[-1]}"
        )
    return coverage


def weights_of(scores: Floats) -> Floats:
    """Return weights of queries that add to 1 and are equal for all tasks; 0 where NaN.

    Args:
      scores: [tasks, queries].
    """
    own = ~np.isnan(scores)
    number = own.sum(-1, keepdims=True)
    return np.where(own, 1.0 / np.maximum(number, 1), 0.0) / max(len(scores), 1)


def p_value(score: float, others: ArrayLike) -> float:
    """Return the share of scores, its own among them, that are at least as high.

    If the score and the others are exchangeable, this is at most p with probability p or less.

    Source: Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random World, chapter 2.
    """
    values = np.asarray(others, np.float64)
    return float((1 + np.sum(values >= score)) / (1 + values.size))
