"""What to know of a run before its numbers: whether it ended, improved, adapts, and what failed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from orchestrator.page.numbers import count, difference, score
from orchestrator.page.run_folder import RunFolder
from orchestrator.page.training_curves import INCIDENTS, VALIDATION, cumulated, metrics_of
from workers.scores import METRICS, called, sign_of


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence; good, or worth a look."""

    kind: Literal["good", "warning", "note"]
    text: str


def findings(run: RunFolder) -> list[Finding]:
    """Warnings first."""
    found = [*_end(run), *_adaptation(run), *_convergence(run), *_incidents(run)]
    order = ("warning", "good", "note")
    return sorted(found, key=lambda finding: order.index(finding.kind))


def _end(run: RunFolder) -> Iterator[Finding]:
    steps = count(run.num_steps, "outer step")
    if run.step >= run.num_steps:
        yield Finding("good", f"Trained to the end: {steps}.")
    else:
        last = run.openings[-1] if run.openings else None
        ended = (last and last.ended) or "still running, or killed"
        heard = f" (last heard of at {readable(last.seen)})" if last and last.seen else ""
        yield Finding(
            "warning", f"Not finished: {count(run.step, 'step')} of {steps}; {ended}{heard}."
        )
    if run.result is None:
        yield Finding(
            "warning", "Not evaluated: there are no test scores yet, only those of training."
        )
    elif run.result.protocol.get("outer_steps", run.num_steps) != run.num_steps:
        trained = run.result.protocol["outer_steps"]
        yield Finding(
            "warning",
            f"The test scores are of a run of {count(trained, 'step')}; it was asked for {steps} "
            "since, and is to be evaluated again.",
        )
    if run.num_damaged:
        lines = count(run.num_damaged, "line")
        yield Finding("warning", f"{lines} of metrics.jsonl cannot be read and are left out.")


def _adaptation(run: RunFolder) -> Iterator[Finding]:
    if run.result is None:
        return
    metric, (gain, interval) = run.result.metric, run.result.gain
    name, steps = called(metric), count(run.result.inner_steps, "inner step")
    if not math.isfinite(gain):
        yield Finding("warning", f"The test {name} is not finite.")
    elif gain < -interval:
        yield Finding("warning", f"Adaptation makes the test {name} worse, after {steps}.")
    elif gain <= interval:
        yield Finding("warning", f"Adaptation does not change the test {name} beyond its interval.")
    else:
        by = difference(metric, gain, interval).removeprefix("+")
        yield Finding(
            "good", f"Adaptation improves the test {name} by {by}, each task against itself."
        )


def _convergence(run: RunFolder) -> Iterator[Finding]:
    metric, sign = _objective(run)
    name = f"{VALIDATION}{metric}"
    validated = [r for r in run.rows if name in r and math.isfinite(r[name])]
    if len(validated) < 2:
        return
    best = max(range(len(validated)), key=lambda i: sign * validated[i][name])
    later = len(validated) - 1 - best
    shown = f"Validation {called(metric)}"
    told = f"{score(metric, validated[best][name])} at step {validated[best]['step']}"
    if later:
        those = "one later validation is" if later == 1 else f"{later} later validations are"
        yield Finding("note", f"{shown} was best with {told}; {those} no better.")
    else:
        before = score(metric, max((r[name] for r in validated[:-1]), key=lambda v: sign * v))
        yield Finding(
            "note",
            f"{shown} was still improving at its last step: {told}, {before} at best before; more "
            "steps may help.",
        )


def _objective(run: RunFolder) -> tuple[str, int]:
    """What decides, and 1 if more of it is better; before the evaluation by what is logged."""
    if run.result is not None:
        return run.result.metric, run.result.sign
    logged = metrics_of(run.rows)
    deciding = {metrics[0] for metrics in METRICS.values()} - {"loss"}
    name = next((name for name in logged if name in deciding), "loss")
    return name, sign_of(name)


def _incidents(run: RunFolder) -> Iterator[Finding]:
    if not run.rows:
        return
    totals = {name: cumulated(run.rows, name)[-1] for name in INCIDENTS}
    told = [f"{total:.0f} {name.replace('_', ' ')}" for name, total in totals.items() if total]
    if told:
        yield Finding("note", f"Made good on the way: {', '.join(told)}.")
    elif any(opening.actors for opening in run.openings):
        yield Finding("good", "No actor was replaced, no call retried, no task left out.")
    else:
        yield Finding("good", "No task was left out.")
    for metric in ("loss_before", "loss_after"):
        broken = sum(not math.isfinite(row.get(metric, 0.0)) for row in run.rows)
        if broken:
            yield Finding("warning", f"{metric} is not finite in {count(broken, 'step')}.")
    for opening in run.openings:
        if opening.ended.startswith("failed"):
            text = f"The run that began at {readable(opening.started)} {opening.ended}"
            yield Finding("note", text)
    if len(run.openings) > 1:
        yield Finding("note", f"Opened {len(run.openings)} times; see the machines below.")


def readable(time: str) -> str:
    """An ISO time in UTC, for people: 2026-01-31 12:00 UTC."""
    return f"{time[:16].replace('T', ' ')} UTC"
