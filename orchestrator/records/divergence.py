"""The detection of inner steps that diverge, and the formatting of scores that may be huge."""

import math
from collections.abc import Mapping, Sequence

PerStep = Sequence[Mapping[str, float]]

#: A loss of so many times the loss before adaptation has diverged, even if it is finite.
FACTOR = 10.0
# Above this, decimals say nothing.
_HUGE = 1e6


def diverged_steps(per_step: PerStep, metric: str = "loss") -> list[int]:
    """List the inner steps whose scores are not finite, or whose loss is `FACTOR` times that at 0.

    Args:
      per_step: scores by inner step, from 0.
      metric: the metric that decides.
    """
    most = FACTOR * per_step[0].get("loss", 0.0) or math.inf
    return [
        step
        for step, row in enumerate(per_step)
        if not all(math.isfinite(row[name]) for name in {metric, "loss"} & row.keys())
        or (step > 0 and row.get("loss", 0.0) > most > 0)
    ]


def describe_divergence(per_step: PerStep, metric: str = "loss") -> str:
    """Describe in a sentence which inner steps diverge and how; "" if none does."""
    steps = diverged_steps(per_step, metric)
    if not steps:
        return ""
    name = "loss" if "loss" in per_step[0] else metric
    values = {step: per_step[step].get(name, math.nan) for step in steps}
    finite = [step for step in steps if math.isfinite(values[step])]
    broken = [step for step in steps if step not in finite]
    parts = []
    if finite:
        largest = max(values[step] for step in finite)
        parts.append(f"up to {largest:.3g} against {per_step[0][name]:.3g} before")
    if broken:
        parts.append(f"not finite at {_listed(broken)}")
    verb, plural = ("diverges", "") if len(steps) == 1 else ("diverge", "s")
    return (
        f"Inner step{plural} {_listed(steps)} {verb}: {name.replace('_', ' ')} {', '.join(parts)}. "
        "The inner rate is too high for so many steps."
    )


def mean_and_interval(mean: float, interval: float, digits: int, sign: str = "") -> str:
    """Format a mean and its interval with `digits` decimals, or with few digits if they are huge.

    Args:
      sign: "+" to show the sign of positive means. Both numbers may be not finite.
    """
    if not math.isfinite(mean):
        return "not finite"
    if max(abs(mean), interval) < _HUGE:
        return f"{mean:{sign}.{digits}f} ± {interval:.{digits}f}"
    return f"{mean:{sign}.3g} ± {interval:.2g}" if math.isfinite(interval) else f"{mean:{sign}.3g}"


def _listed(steps: Sequence[int]) -> str:
    """Format steps as in "2, 5 to 10"."""
    runs: list[list[int]] = []
    for step in steps:
        if runs and step == runs[-1][-1] + 1:
            runs[-1].append(step)
        else:
            runs.append([step])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
