"""Formatting numbers for people, with as many digits as their interval makes meaningful."""

import math
from collections.abc import Mapping

from orchestrator.records.divergence import mean_and_interval
from orchestrator.records.result import Result
from orchestrator.reporting.page.panel import thousands
from workers.metrics import is_share

_MOST_DIGITS = 6


def with_interval(metric: str, row: Mapping[str, float]) -> str:
    """Format mean ± half the 95 % interval with two significant digits; accuracy in per cent.

    If all tasks have the same score, there is no interval.
    """
    factor, unit = (100, " %") if is_share(metric) else (1, "")
    mean, interval = factor * row[metric], factor * row[f"{metric}_ci95"]
    if not math.isfinite(mean):
        return "not finite"
    if interval == 0:  # every task has the same score: an interval would mean nothing
        return f"{mean:.4g}{unit}{_all_of(metric, row[metric])}"
    return f"{mean_and_interval(mean, interval, digits_of(interval))}{unit}"


def difference(metric: str, value: float, interval: float) -> str:
    """Format the difference of two scores, with its sign; accuracies in points."""
    factor, unit = (100, " points") if is_share(metric) else (1, "")
    if not math.isfinite(value):
        return "not finite"
    if interval == 0:
        return f"{factor * value:+.4g}{unit}"
    digits = digits_of(factor * interval)
    return f"{mean_and_interval(factor * value, factor * interval, digits, '+')}{unit}"


def _all_of(metric: str, share: float) -> str:
    """Return a remark if all answers are right or none is, which an interval does not show."""
    if not is_share(metric) or share not in (0, 1):
        return ""
    return " (all right)" if share else " (none right)"


def digits_of(interval: float) -> int:
    """Return the number of decimals that show two significant digits of `interval`."""
    if not math.isfinite(interval) or interval <= 0:
        return 4
    return max(0, min(_MOST_DIGITS, 1 - math.floor(math.log10(interval))))


def score(metric: str, value: float) -> str:
    """Format a score without an interval."""
    return f"{100 * value:.1f} %" if is_share(metric) else f"{value:.4g}"


def headline(result: Result) -> str:
    """Format the test score before and after adaptation."""
    before, after = (with_interval(result.metric, row) for row in (result.before, result.after))
    return f"{result.called} {before} → {after}"


def duration(seconds: float) -> str:
    """Format a duration briefly: 3.2 s, 4.1 min, 2.3 h."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 100 * 60 else f"{seconds / 3600:.3g} h"


def count(number: float, noun: str) -> str:
    """Format a count with its noun: 1 step, 12 345 steps."""
    return f"{thousands(number)} {noun}{'' if number == 1 else 's'}"
