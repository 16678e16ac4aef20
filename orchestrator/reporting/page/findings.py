"""Findings at the top of a run's page: whether it ended, improved and adapts, and what failed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from orchestrator.records.result import Result
from orchestrator.records.verdict import unstable_from
from orchestrator.reporting.page.numbers import count, difference, score
from orchestrator.reporting.page.panel import thousands
from orchestrator.reporting.page.run_folder import RunFolder
from orchestrator.reporting.page.task_spread import in_other_units, useless
from orchestrator.reporting.page.training_curves import (
    INCIDENTS,
    VALIDATION,
    cumulated,
    metrics_of,
)
from workers.losses.loss import metric_of
from workers.losses.registry import LOSSES
from workers.metrics import METRICS, called

# A larger share of useless tasks is worth a warning.
_MANY = 0.1


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence about a run, which is good news, a warning or a note."""

    kind: Literal["good", "warning", "note"]
    text: str


def findings(run: RunFolder) -> list[Finding]:
    """Collect the findings about a run, warnings first."""
    verdict = run.result.warnings if run.result else []
    others = [
        *_end(run),
        *_adaptation(run),
        *_useless_tasks(run),
        *_convergence(run),
        *_incidents(run),
    ]
    order = ("warning", "good", "note")
    others.sort(key=lambda finding: order.index(finding.kind))
    return [*(Finding("warning", text) for text in verdict), *others]


def _end(run: RunFolder) -> Iterator[Finding]:
    steps = count(run.num_steps, "outer step")
    if run.step >= run.num_steps:
        yield Finding("good", f"Trained to the end: {steps}.")
    else:
        last = run.openings[-1] if run.openings else None
        ended = (last and last.ended) or "still running, or killed"
        last_seen = f" (last active at {readable(last.seen)})" if last and last.seen else ""
        yield Finding(
            "warning", f"Not finished: {count(run.step, 'step')} of {steps}; {ended}{last_seen}."
        )
    if run.result is None:
        yield Finding(
            "warning", "Not evaluated: there are no test scores yet, only those of training."
        )
    elif run.result.protocol.get("outer_steps", run.num_steps) != run.num_steps:
        trained = run.result.protocol["outer_steps"]
        yield Finding(
            "warning",
            f"The test scores are those after {count(trained, 'step')}; the run has since been "
            f"extended to {steps}, and must be evaluated again.",
        )
    if run.num_damaged:
        lines = count(run.num_damaged, "line")
        yield Finding("warning", f"{lines} of metrics.jsonl cannot be read and are left out.")


def _adaptation(run: RunFolder) -> Iterator[Finding]:
    if run.result is None:
        return
    metric, (gain, interval) = run.result.metric, run.result.gain
    if gain > interval and not run.result.warnings:
        by = difference(metric, gain, interval).removeprefix("+")
        yield Finding(
            "good",
            f"Adaptation improves the test {run.result.called} by {by}, each task against itself.",
        )
    yield from _edge(run.result)


def _edge(result: Result) -> Iterator[Finding]:
    """Advise more inner rates if the chosen one is at the end of those offered."""
    offered = [
        float(rate) for rate in str(result.protocol.get("inner_lr_offered", "")).split(", ") if rate
    ]
    rate = float(f"{result.protocol.get('inner_lr', 0):g}")
    if len(offered) < 2 or rate not in (min(offered), max(offered)):
        return
    which, other = ("lowest", "lower") if rate == min(offered) else ("highest", "higher")
    yield Finding(
        "note",
        f"Validation chose the {which} inner rate that it was offered, {rate:g}: offer {other} "
        "ones in evaluation.inner_lr.",
    )


def _useless_tasks(run: RunFolder) -> Iterator[Finding]:
    """Report tasks whose predictions are useless; a mean over tasks may hide them."""
    scores = run.task_scores
    names = [] if scores is None else useless(scores)
    if scores is None or not names:
        return
    different = len(set(scores.names))
    text = (
        f"In {count(len(names), 'test task')} of {thousands(different)} the predictions are no "
        f"better than the task's own mean, {names[0]} among them"
    )
    if in_other_units(scores):
        text += (
            "; their targets vary far less than those of the others, as values in other units do: "
            "for tables try task.target_scaling=per_task"
        )
    yield Finding("warning" if len(names) > _MANY * different else "note", f"{text}.")


def _convergence(run: RunFolder) -> Iterator[Finding]:
    metric, sign = _objective(run)
    name = f"{VALIDATION}{metric}"
    validated = [r for r in run.rows if name in r and math.isfinite(r[name])]
    if len(validated) < 2:
        return
    best = max(range(len(validated)), key=lambda i: sign * validated[i][name])
    later = len(validated) - 1 - best
    shown = f"Validation {called(metric)}"
    peak = f"{score(metric, validated[best][name])} at step {validated[best]['step']}"
    if later:
        others = "one later validation is" if later == 1 else f"{later} later validations are"
        yield Finding("note", f"{shown} was best with {peak}; {others} no better.")
    else:
        before = score(metric, max((r[name] for r in validated[:-1]), key=lambda v: sign * v))
        more = "" if run.result and unstable_from(run.result) else "; more outer steps may help"
        yield Finding(
            "note",
            f"{shown} was still improving at its last step: {peak}, {before} at best before{more}.",
        )


def _objective(run: RunFolder) -> tuple[str, int]:
    """Return the deciding metric and its sign, 1 if more is better; from the log if not tested."""
    if run.result is not None:
        return run.result.metric, run.result.sign
    task = run.config.get("task", {})
    own = {name: metric_of(name, place).sign for name, place in task.get("metrics", {}).items()}
    deciding = {loss.scored_by[0] for loss in LOSSES.values()} - {"loss", *own}
    name = next((name for name in metrics_of(run.rows) if name in deciding), "loss")
    name = task.get("main_metric", name)
    return name, own.get(name) or METRICS[name].sign


def _incidents(run: RunFolder) -> Iterator[Finding]:
    if not run.rows:
        return
    totals = {name: cumulated(run.rows, name)[-1] for name in INCIDENTS}
    counts = [f"{total:.0f} {name.replace('_', ' ')}" for name, total in totals.items() if total]
    if counts:
        yield Finding("note", f"Recovered on the way: {', '.join(counts)}.")
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
    """Format an ISO time in UTC for people: 2026-01-31 12:00 UTC."""
    return f"{time[:16].replace('T', ' ')} UTC"
