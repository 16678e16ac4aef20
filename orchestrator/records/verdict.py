"""The verdict on a run's test scores: what is wrong with them, and what to try.

A run may finish and have learned nothing. Then its scores are at chance, or adaptation makes them
worse or does not change them; or its inner rate is so high that more inner steps than validation
chose make the scores worse.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from orchestrator.records.divergence import describe_divergence
from workers.metrics import is_share

if TYPE_CHECKING:
    from orchestrator.records.result import Result

# A share below both this part of the way from chance to 1 and this multiple of chance is at chance.
_LEAST_OF_THE_WAY, _LEAST_OF_CHANCE = 0.1, 1.5
# A loss above this share of an untrained model's is no better than that.
_MOST_OF_CHANCE = 0.9
# A loss has diverged if it exceeds the loss before adaptation by this share of it.
_DIVERGED = 0.25
# A loss is unchanged if it changes by less than this share of itself.
_UNCHANGED = 0.02
_SWINGS = 3


def warnings_of(result: "Result") -> list[str]:
    """Return sentences on what is wrong, the worst first; empty if nothing is."""
    candidates = [_not_finite(result) or _worse(result), _at_chance(result), _unstable(result)]
    # A computed head predicts well at once, before any inner step.
    if not (candidates[0] or candidates[2] or "adaptation" in result.protocol):
        candidates.append(_unchanged(result))
    sentences = [text for text in candidates if text]
    if sentences:
        sentences[0] = f"{sentences[0]} {_remedy(result)}"
    return sentences


def unstable_from(result: "Result") -> int | None:
    """Return the first inner step that shows the inner rate to be too high; None if none does.

    There the loss is not finite, or far above the loss before adaptation, or it has swung up and
    down; a first step that makes it far worse counts too.
    """
    losses, margin = _losses(result), _margin(result)
    for step, loss in enumerate(losses):
        if not math.isfinite(loss):
            return step if step else None
        if loss - losses[0] > margin:
            return step
    changes = [b - a for a, b in pairwise(losses)]
    large = [c for c in changes if abs(c) > 0.1 * abs(losses[0])]
    swings = sum(a * b < 0 for a, b in pairwise(large))
    return changes.index(large[0]) + 1 if swings >= _SWINGS else None


def _margin(result: "Result") -> float:
    """Return by how much a loss may exceed the loss before adaptation."""
    name = "loss" if "loss" in result.per_step[0] else result.metric
    interval = _number(result.before.get(f"{name}_ci95"))
    return max(_DIVERGED * abs(_losses(result)[0]), 2 * interval if interval > 0 else 0.0)


def _losses(result: "Result") -> list[float]:
    """Return by inner step what falls if adaptation succeeds: the loss or the negative metric."""
    name = "loss" if "loss" in result.per_step[0] else result.metric
    sign = 1 if name == "loss" else -result.sign
    return [_number(row.get(name)) * sign for row in result.per_step]


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _not_finite(result: "Result") -> str:
    gain, _ = result.gain
    if math.isfinite(gain):
        return ""
    return f"The test {result.called} is not finite {_when(result)}."


def _worse(result: "Result") -> str:
    gain, interval = result.gain
    if gain >= -interval:
        return ""
    before, after = (_shown(result.metric, row) for row in (result.before, result.after))
    return f"Adaptation makes the test {result.called} worse: {before} → {after} {_when(result)}."


def _at_chance(result: "Result") -> str:
    chance, after = result.protocol.get("chance"), _number(result.after.get(result.metric))
    if not isinstance(chance, float) or not math.isfinite(after):
        return ""
    shown = _shown(result.metric, result.after)
    if is_share(result.metric):
        little = after - chance < _LEAST_OF_THE_WAY * (1 - chance)
        if not (little and after < _LEAST_OF_CHANCE * chance):
            return ""
        return f"The test {result.called}, {shown}, is hardly above chance ({100 * chance:.3g} %)."
    if after < _MOST_OF_CHANCE * chance:
        return ""
    return (
        f"The test {result.called}, {shown}, is no better than that of a constant answer "
        f"({chance:.4g})."
    )


def _unstable(result: "Result") -> str:
    if text := describe_divergence(result.per_step, result.metric):
        return text
    first = unstable_from(result)
    if first is None or result.unit.first:  # episodes have no inner rate
        return ""
    losses = _losses(result)
    sign = 1 if "loss" in result.per_step[0] else -result.sign
    shown = ", ".join(f"{sign * loss:.3g}" for loss in _few(losses))
    name = "loss" if "loss" in result.per_step[0] else result.called
    if losses[first] - losses[0] > _margin(result):
        verb = "rises far above" if sign > 0 else "falls far below"
        what = f"The {name} {verb} its start at inner step {first}"
    else:
        what = f"The {name} swings up and down from inner step {first} on"
    return f"{what}: {shown} by inner step. The inner rate is too high."


def _few(losses: Sequence[float]) -> Sequence[float]:
    """Return as many losses as fit in a line."""
    return losses if len(losses) <= 11 else [*losses[:10], losses[-1]]


def _unchanged(result: "Result") -> str:
    gain, interval = result.gain
    if gain <= interval:
        return f"Adaptation does not change the test {result.called} beyond its interval."
    if is_share(result.metric) and gain > _UNCHANGED:
        return ""
    losses = _losses(result)
    change = losses[0] - losses[result.inner_steps]
    if change > _UNCHANGED * abs(losses[0]):
        return ""
    before, after = (_shown(result.metric, row) for row in (result.before, result.after))
    return f"Adaptation hardly changes the test {result.called}: {before} → {after}."


def _remedy(result: "Result") -> str:
    """Return what to try, given how the loss changes from inner step to inner step."""
    rate, losses = result.protocol.get("inner_lr"), _losses(result)
    if rate is None and "adaptation" in result.protocol:
        return "Try more outer.steps, another outer.lr, or another model."
    trained = result.protocol.get("inner_lr_in_training", rate)
    own = rate != trained or str(result.protocol.get("method")).startswith("joint")
    key = "evaluation.inner_lr" if own else "algorithm.inner_lr"
    if not isinstance(rate, int | float):
        return f"Try another {key}, or more outer.steps."
    if offered := result.protocol.get("inner_lr_offered"):
        return (
            f"Validation chose the inner rate {rate:g} among {offered}. Try more outer.steps, or "
            "offer other rates in evaluation.inner_lr."
        )
    lower, higher = (
        f"{key} = {_value(key, rate * a)} or {_value(key, rate * b)}"
        for a, b in ((1 / 3, 0.1), (3, 10))
    )
    first = losses[min(1, len(losses) - 1)]
    if unstable_from(result) is not None or first > losses[0] + _UNCHANGED * abs(losses[0]):
        return f"Try a lower inner rate than {rate:g}: {lower}."
    best = min(loss for loss in losses if math.isfinite(loss))
    if losses[0] - best <= _UNCHANGED * abs(losses[0]):
        return f"Try a higher inner rate than {rate:g}: {higher}; or more outer.steps."
    return f"Try more outer.steps, or another inner rate than {rate:g}: {lower}, or {higher}."


def _value(key: str, rate: float) -> str:
    shown = f"{float(f'{rate:.2g}'):g}"
    return f"[{shown}]" if key.startswith("evaluation") else shown


def _shown(metric: str, row: dict[str, int | float]) -> str:
    value = _number(row.get(metric))
    return f"{100 * value:.1f} %" if is_share(metric) else f"{value:.4g}"


def _when(result: "Result") -> str:
    return result.unit.when(result.inner_steps)
