"""Numbers as people read them: as many digits as their interval leaves a meaning to."""

import math
from collections.abc import Mapping

from orchestrator.records.divergence import mean_and_interval
from orchestrator.records.result import Result
from orchestrator.reporting.page.panel import thousands
from workers.metrics import is_share

_MOST_DIGITS = 6


def with_interval(metric: str, row: Mapping[str, float]) -> str:
    """Mean ± half the 95 % interval, which keeps two significant digits; accuracy in per cent.

    Without the interval where all tasks have the same score.
    """
    factor, unit = (100, " %") if is_share(metric) else (1, "")
    mean, interval = factor * row[metric], factor * row[f"{metric}_ci95"]
    if not math.isfinite(mean):
        return "not finite"
    if interval == 0:  # every task has the same score: no digit of an interval means anything
        return f"{mean:.4g}{unit}{_all_of(metric, row[metric])}"
    return f"{mean_and_interval(mean, interval, digits_of(interval))}{unit}"


def difference(metric: str, value: float, interval: float) -> str:
    """Of two scores, with its sign; accuracies differ by points."""
    factor, unit = (100, " points") if is_share(metric) else (1, "")
    if not math.isfinite(value):
        return "not finite"
    if interval == 0:
        return f"{factor * value:+.4g}{unit}"
    digits = digits_of(factor * interval)
    return f"{mean_and_interval(factor * value, factor * interval, digits, '+')}{unit}"


def _all_of(metric: str, share: float) -> str:
    """What no interval over tasks says: that there is not one other answer."""
    if not is_share(metric) or share not in (0, 1):
        return ""
    return " (all right)" if share else " (none right)"


def digits_of(interval: float) -> int:
    """Decimals that show two significant digits of `interval`."""
    if not math.isfinite(interval) or interval <= 0:
        return 4
    return max(0, min(_MOST_DIGITS, 1 - math.floor(math.log10(interval))))


def score(metric: str, value: float) -> str:
    """A score whose interval is not known."""
    return f"{100 * value:.1f} %" if is_share(metric) else f"{value:.4g}"


def headline(result: Result) -> str:
    """The test score before and after adaptation."""
    before, after = (with_interval(result.metric, row) for row in (result.before, result.after))
    return f"{result.called} {before} → {after}"


def duration(seconds: float) -> str:
    """3.2 s, 4.1 min, 2.3 h: what is read at a glance."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 100 * 60 else f"{seconds / 3600:.3g} h"


def count(number: float, noun: str) -> str:
    """1 step, 12 345 steps."""
    return f"{thousands(number)} {noun}{'' if number == 1 else 's'}"
