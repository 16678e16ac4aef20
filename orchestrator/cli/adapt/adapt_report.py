"""The output of `metatrain adapt`: predictions by inner step, scores, and their protocol."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from orchestrator.adaptation.predictions import Predictions, as_rows, summary
from orchestrator.adaptation.run_facts import RunFacts
from orchestrator.adaptation.sureness import Sureness
from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.calibration.likeness import UNLIKE
from orchestrator.reporting.protocol_lines import print_protocol
from orchestrator.text.console import Console
from workers.metrics import is_share
from workers.wire.protocol import Recipe

_MOST_ROWS = 20
# The entries of the run's protocol that matter for predictions on a user's task.
_FROM_THE_RUN = (
    "method",
    "model",
    "tasks_from",
    "features",
    "target",
    "loss",
    "metrics",
    "unit_of_the_loss",
    "ways",
    "shots",
    "normalization",
    "transductive",
    "coverage_assumes",
)


def show(
    console: Console,
    source: RunFacts,
    recipe: Recipe,
    predictions: Sequence[Predictions],
    names: Sequence[str],
) -> None:
    """Print predictions, scores and the protocol.

    Args:
      names: a name for each query, in the order of the query set.
    """
    steps = shown_steps(source, recipe)
    console.print(_table(predictions, names, steps))
    if len(names) > _MOST_ROWS:
        console.print(f"... and {len(names) - _MOST_ROWS} more; --out FILE writes them all")
    for names, shown in _score_lines(predictions, steps).items():
        console.print(f"{names}: {shown} inner steps")
    tasks = [prediction.task for prediction in predictions]
    print_protocol(console, protocol(source, recipe, tasks, sureness=predictions[0].sureness))


def as_document(
    source: RunFacts, recipe: Recipe, predictions: Sequence[Predictions], names: Sequence[str]
) -> dict[str, Any]:
    """Return all predictions, the scores after each inner step, and the protocol, for JSON."""
    scores = {
        name: [{"mean": mean, "ci95": interval} for mean, interval in by_step]
        for name, by_step in summary(predictions).items()
    }
    tasks = [prediction.task for prediction in predictions]
    return {
        "predictions": as_rows(predictions, names),
        "scores": scores,
        **_likeness(predictions),
        "protocol": protocol(source, recipe, tasks, sureness=predictions[0].sureness),
    }


def _likeness(predictions: Sequence[Predictions]) -> dict[str, Any]:
    """Return each task's p-value among the validation tasks, and whether it is unlike them."""
    rows = [
        {"task": one.task.name, "p_value": one.likeness, "unlike": one.likeness <= UNLIKE}
        for one in predictions
        if one.likeness is not None
    ]
    return {"likeness": rows} if rows else {}


def shown_steps(source: RunFacts, recipe: Recipe) -> list[int]:
    """Return the inner steps that have a column, in order."""
    steps = {0, recipe.inner_steps, *source.shown_after}
    return sorted(step for step in steps if step <= recipe.inner_steps)


def _score_lines(predictions: Sequence[Predictions], steps: Sequence[int]) -> dict[str, str]:
    """Format the scores by their names; those with equal numbers share a line."""
    names: dict[str, list[str]] = {}
    for name, scores in summary(predictions).items():
        shown = ", ".join(f"{_score(name, *scores[step])} after {step}" for step in steps)
        names.setdefault(shown, []).append(name)
    return {", ".join(each): shown for shown, each in names.items()}


def _table(predictions: Sequence[Predictions], names: Sequence[str], steps: Sequence[int]) -> Table:
    several = len(predictions) > 1
    table = Table(title="Predictions after inner steps")
    if several:
        table.add_column("task")
    table.add_column("query", overflow="fold")
    has_targets = any(part.task.query_targets is not None for part in predictions)
    if has_targets:
        table.add_column("target")
    for step in steps:
        table.add_column(f"after {step}" + ("" if step else " (before)"), justify="right")
    sureness = predictions[0].sureness
    if sureness is not None:
        what = "set" if sureness.sets is not None else "interval"
        table.add_column(f"{what}, {100 * sureness.asked.coverage:g} %")
    rows = {row: (part, i) for part in predictions for i, row in enumerate(part.task.rows)}
    for row in sorted(rows)[:_MOST_ROWS]:
        part, query = rows[row]
        cells = [part.task.name] if several else []
        cells += [names[row]]
        cells += [_plain(part.target(query))] if has_targets else []
        cells += [_cell(part, step, query) for step in steps]
        cells += [] if sureness is None else [_sure_cell(part, query)]
        table.add_row(*cells)
    return table


def _cell(predictions: Predictions, step: int, query: int) -> str:
    value, answer = predictions.predicted(step, query), predictions.answers[step, query]
    if predictions.has_labels:
        return ", ".join(f"{label} ({each:.0%})" for label, each in zip(value, answer, strict=True))
    if predictions.deviations is not None:
        deviations = predictions.deviations[step, query]
        pairs = zip(answer, deviations, strict=True)
        return ", ".join(f"{_plain(float(mean))} ± {float(each):.2g}" for mean, each in pairs)
    if predictions.task.classes is None:
        return _plain(value)
    return f"{_plain(value)} {answer.max():.0%}"


def _sure_cell(predictions: Predictions, query: int) -> str:
    """Format a query's set or interval, and whether its prediction is too unsure."""
    held = predictions.class_set(query)
    text = "none" if held == [] else ", ".join(held or ())
    if predictions.sureness is not None and predictions.sureness.intervals is not None:
        ends = predictions.sureness.intervals[query].tolist()
        text = ", ".join(f"{_plain(low)} to {_plain(high)}" for low, high in ends)
    return f"{text} (unknown)" if predictions.unknown(query) else text


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"


def _score(name: str, mean: float, interval: float | None) -> str:
    scale, digits, unit = (100, 1, " %") if is_share(name) else (1, 4, "")
    error = "" if interval is None else f" ± {interval * scale:.{digits}f}"
    return f"{mean * scale:.{digits}f}{error}{unit}"


def protocol(
    source: RunFacts,
    recipe: Recipe,
    tasks: Sequence[UserTask],
    has_queries: bool = True,
    sureness: Sureness | None = None,
) -> dict[str, Any]:
    """Return the protocol under which predictions and their scores were made."""
    chosen = recipe == source.recipe
    supports = [len(task.support_inputs) for task in tasks]
    least, most = min(supports), max(supports)
    steps: dict[str, Any] = {
        "inner_steps": recipe.inner_steps,
        "inner_lr": recipe.inner_lr,
        "chosen": "on validation tasks" if chosen else "by hand",
    }
    if source.closed_form:
        steps = {"adaptation": source.protocol.get("adaptation", "closed form")}
    parts: dict[str, Any] = {
        "weights": source.origin,
        **steps,
        "tasks": len(tasks),
        "support_examples": least if least == most else [least, most],
    }
    if has_queries:
        parts["queries"] = sum(len(task.query_inputs) for task in tasks)
    if sureness is not None:
        parts["coverage_asked"] = sureness.asked.coverage
        parts["false_alarms_asked"] = sureness.asked.false_alarms
    if len(tasks) > 1:
        parts["interval"] = "95 %: 1.96 standard errors over tasks"
    return parts | from_the_run(source, _FROM_THE_RUN)


def from_the_run(source: RunFacts, names: Sequence[str]) -> dict[str, Any]:
    """Return entries of the run's own protocol, under names that say so."""
    protocol = source.protocol
    return {f"trained_{name}": protocol[name] for name in names if name in protocol}
