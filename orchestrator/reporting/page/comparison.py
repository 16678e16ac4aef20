"""The page of several runs: their scores, comparability, differences and curves."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.config.schema import flatten
from orchestrator.config.score_unit import INNER_STEPS
from orchestrator.reporting.drawing import drawing, written
from orchestrator.reporting.page import inner_steps, overlays
from orchestrator.reporting.page.html import render
from orchestrator.reporting.page.numbers import difference, duration, with_interval
from orchestrator.reporting.page.panel import thousands
from orchestrator.reporting.page.run_folder import RunFolder
from orchestrator.reporting.page.seeds import SPREAD, mean_rows, of_seeds
from orchestrator.reporting.protocol_lines import plain, protocol_of
from orchestrator.reporting.svg_element import svg
from workers.metrics import called

# Rows of a protocol about how the weights were made and adapted: the subject of a comparison.
# All others, those of a new family too, describe the measurement, and must be equal.
_OF_THE_METHOD = {
    "method",
    "model",
    "ways_in_training",
    "shots_in_training",
    "queries_in_training",
    "inner_steps",
    "episode",
    "adaptation",
    "inner_steps_in_training",
    "inner_lr",
    "inner_lr_in_training",
    "inner_lr_offered",
    "inner_optimizer",
    "inner_clip",
    "inner_batch",
    "inner_loss",
    "chosen_on",
    "meta_batch_size",
    "normalization",
    "outer_steps",
    "seed",
    "hyperparameters",
    # These follow from the measurement; older versions did not write them.
    "chance",
    "loss",
    # For policies.
    "outer_update",
    "later_lr",
    "later_lr_in_training",
    "discount",
    "gae_lambda",
    "baseline",
    "curvature",
}
# Other draws from the same tasks: the means still compare, with wider intervals.
_OF_THE_DRAW = {"test_tasks", "evaluation_seed"}

Compared = Mapping[str, RunFolder]


@drawing()
def comparison_of(runs: Sequence[RunFolder]) -> bytes:
    """Build the page of several runs."""
    compared = dict(zip(labels(runs), runs, strict=True))
    tested = {label: run for label, run in compared.items() if run.result is not None}
    differences = protocol_differences(tested)
    seeds = of_seeds(compared)
    return render(
        "comparison.html",
        title=" · ".join(compared),
        scores=_with_means(_scores(compared, comparable=not differences["test"]), compared, seeds),
        over_seeds=bool(seeds),
        untested=[label for label in compared if label not in tested],
        common=_common([protocol_of(run.result.protocol) for run in tested.values() if run.result]),
        differences={kind: _table(rows, tested) for kind, rows in differences.items()},
        configuration=_table(config_differences(compared), compared),
        figures=[(caption, svg(figure, caption)) for caption, figure in _figures(compared)],
        commands={label: run.commands for label, run in compared.items()},
    )


def labels(runs: Sequence[RunFolder]) -> list[str]:
    """Label each run by the end of its location that distinguishes it from the others."""
    paths = [run.location.partition("?")[0].rstrip("/").split("/") for run in runs]
    for depth in range(1, max(map(len, paths))):
        names = ["/".join(path[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [run.location for run in runs]


def protocol_differences(tested: Compared) -> dict[str, dict[str, list[str]]]:
    """Sort the rows in which protocols differ by their kind.

    Returns:
      {"test": {row: each run's value}, "draw": {...}, "method": {...}}; scores compare if "test"
      is empty.
    """
    results = [run.result for run in tested.values() if run.result is not None]
    differing = _differences([result.protocol for result in results], between=" to ")
    kinds: dict[str, dict[str, list[str]]] = {"test": {}, "draw": {}, "method": {}}
    for name, values in differing.items():
        kind = "method" if name in _OF_THE_METHOD else "draw" if name in _OF_THE_DRAW else "test"
        kinds[kind][name.replace("_", " ")] = values
    metrics = [result.metric for result in results]
    if len(set(metrics)) > 1:
        kinds["test"]["metric"] = metrics
    return kinds


def config_differences(compared: Compared) -> dict[str, list[str]]:
    """Map each dotted key in which configurations differ to each run's value."""
    return _differences([flatten(run.config) for run in compared.values()], between=", ")


def _common(protocols: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the rows that all protocols share; none if there is only one."""
    if len(protocols) < 2:
        return {}
    first, *others = protocols
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    }


def _differences(tables: Sequence[Mapping[str, Any]], between: str) -> dict[str, list[str]]:
    keys = dict.fromkeys(key for table in tables for key in table)
    rows = {
        key: [plain(table[key], between) if key in table else "–" for table in tables]
        for key in keys
    }
    return {key: values for key, values in rows.items() if len(set(values)) > 1}


def _table(rows: Mapping[str, Sequence[str]], compared: Compared) -> list[dict[str, str]]:
    return [
        {"key": key, **dict(zip(compared, values, strict=True))} for key, values in rows.items()
    ]


def _scores(compared: Compared, comparable: bool) -> list[dict[str, str]]:
    """Make a row for each run, with the difference to the best one if the scores compare."""
    best = _best(compared) if comparable else ""
    return [
        {
            "run": label,
            **_score(run, compared[best] if best else None),
            "outer steps": f"{thousands(run.step)} of {thousands(run.num_steps)}",
            "training": duration(run.seconds),
        }
        for label, run in compared.items()
    ]


def _with_means(
    rows: Sequence[dict[str, str]], compared: Compared, seeds: Sequence[Sequence[str]]
) -> list[dict[str, str]]:
    """Insert the mean over seeds after the last run of each group of seeds."""
    means = dict(zip((labels[-1] for labels in seeds), mean_rows(compared, seeds), strict=True))
    table = []
    for scores in rows:
        row = _with_spread(scores) if seeds else scores
        table.append(row)
        if mean := means.get(row["run"]):
            table.append({column: mean.get(column, "") for column in row})
    return table


def _with_spread(row: Mapping[str, str]) -> dict[str, str]:
    """Add an empty cell for the spread over seeds behind the score."""
    cells: dict[str, str] = {}
    for column, cell in row.items():
        cells[column] = cell
        if column == "after":
            cells[SPREAD] = ""
    return cells


def _score(run: RunFolder, best: RunFolder | None) -> dict[str, str]:
    """Make the cells of a run's row that come from its evaluation."""
    columns = ["after", *(["difference to the best"] if best else []), "before", "inner steps"]
    result = run.result
    if result is None:
        return dict.fromkeys([*columns, "method"], "") | {"after": "not evaluated"}
    cells = {
        "after": with_interval(result.metric, result.after),
        "before": with_interval(result.metric, result.before),
        "inner steps": result.unit.amount(result.inner_steps)
        if result.unit.first
        else plain(result.inner_steps),
        "method": result.protocol.get("method", ""),
    }
    if best is not None:
        cells["difference to the best"] = _difference(best, run)
    return {column: cells[column] for column in [*columns, "method"]}


def _best(compared: Compared) -> str:
    """Return the label of the run with the best score after adaptation; "" for fewer than two."""
    scores = {
        label: run.result.sign * run.result.after[run.result.metric]
        for label, run in compared.items()
        if run.result is not None
    }
    finite = {label: score for label, score in scores.items() if math.isfinite(score)}
    return max(finite, key=finite.__getitem__) if len(finite) > 1 else ""


def _difference(best: RunFolder, run: RunFolder) -> str:
    """Format the difference of two means, with the interval for independent means."""
    if best is run:
        return "best"
    assert best.result is not None
    assert run.result is not None
    metric, scores, best_scores = run.result.metric, run.result.after, best.result.after
    interval = math.hypot(scores[f"{metric}_ci95"], best_scores[f"{metric}_ci95"])
    gap = scores[metric] - best_scores[metric]
    remark = " (no significant difference)" if abs(gap) <= interval else ""
    return difference(metric, gap, interval) + remark


def _figures(compared: Compared) -> list[tuple[str, Any]]:
    results = {label: run.result for label, run in compared.items() if run.result is not None}
    drawn = []
    for metric in next(iter(results.values())).metrics if results else []:
        if all(metric in result.metrics for result in results.values()):
            per_step = {written(label): result.per_step for label, result in results.items()}
            units = {result.unit for result in results.values()}
            unit = units.pop() if len(units) == 1 else INNER_STEPS
            caption = f"Test {called(metric)} by {unit.name}, with 95 % intervals"
            drawn.append((caption, inner_steps.draw(per_step, metric, unit=unit)))
    return [*drawn, *overlays.draw({written(label): run.rows for label, run in compared.items()})]
