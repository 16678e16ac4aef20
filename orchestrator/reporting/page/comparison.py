"""Runs side by side: their scores, whether these compare, what differs, and their curves."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.config.schema import flatten
from orchestrator.reporting.drawing import drawing, written
from orchestrator.reporting.page import inner_steps, overlays
from orchestrator.reporting.page.html import render
from orchestrator.reporting.page.numbers import difference, duration, with_interval
from orchestrator.reporting.page.panel import thousands
from orchestrator.reporting.page.run_folder import RunFolder
from orchestrator.reporting.page.seeds import mean_rows, of_seeds
from orchestrator.reporting.protocol_lines import plain, protocol_of
from orchestrator.reporting.svg_element import svg
from workers.metrics import called

# Rows of a protocol that say how the weights were made and adapted: what a comparison is about.
# All others, those of a new family too, say what was measured, and must be equal.
_OF_THE_METHOD = {
    "method",
    "model",
    "shots_in_training",
    "queries_in_training",
    "inner_steps",
    "inner_steps_in_training",
    "inner_lr",
    "inner_lr_in_training",
    "inner_lr_offered",
    "inner_optimizer",
    "inner_batch",
    "inner_loss",
    "chosen_on",
    "meta_batch_size",
    "normalization",
    "outer_steps",
    "seed",
    "hyperparameters",
    # They follow from what is measured; older versions did not say them.
    "chance",
    "loss",
    # Of policies.
    "outer_update",
    "later_lr",
    "later_lr_in_training",
    "discount",
    "gae_lambda",
    "baseline",
    "curvature",
}
# Other draws from the same tasks: the means still compare, if less sharply.
_OF_THE_DRAW = {"test_tasks", "evaluation_seed"}

Compared = Mapping[str, RunFolder]


@drawing()
def comparison_of(runs: Sequence[RunFolder]) -> bytes:
    """The page of several runs."""
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
    """What each is called: the end of its location, as much of it as tells them apart."""
    places = [run.location.partition("?")[0].rstrip("/").split("/") for run in runs]
    for depth in range(1, max(map(len, places))):
        names = ["/".join(place[-depth:]) for place in places]
        if len(set(names)) == len(names):
            return names
    return [run.location for run in runs]


def protocol_differences(tested: Compared) -> dict[str, dict[str, list[str]]]:
    """Rows of the protocols that differ -> each run's value, by what they are of.

    Returns:
      {"test": {...}, "draw": {...}, "method": {...}}; scores compare where "test" is empty.
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
    """Dotted key -> each run's value, where they differ."""
    return _differences([flatten(run.config) for run in compared.values()], between=", ")


def _common(protocols: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What all protocols say alike; nothing of a single one."""
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
    """A row for each run; the difference to the best one where the scores compare."""
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
    """The rows, and after the last run of some seeds their mean."""
    means = dict(zip((labels[-1] for labels in seeds), mean_rows(compared, seeds), strict=True))
    table = []
    for row in rows:
        table.append(row)
        if mean := means.get(row["run"]):
            table.append({column: mean.get(column, "") for column in row})
    return table


def _score(run: RunFolder, best: RunFolder | None) -> dict[str, str]:
    """The cells of a run that come from its evaluation."""
    columns = ["after", *(["difference to the best"] if best else []), "before", "inner steps"]
    result = run.result
    if result is None:
        return dict.fromkeys([*columns, "method"], "") | {"after": "not evaluated"}
    cells = {
        "after": with_interval(result.metric, result.after),
        "before": with_interval(result.metric, result.before),
        "inner steps": plain(result.inner_steps),
        "method": result.protocol.get("method", ""),
    }
    if best is not None:
        cells["difference to the best"] = _difference(best, run)
    return {column: cells[column] for column in [*columns, "method"]}


def _best(compared: Compared) -> str:
    """The label of the run with the best score after adaptation; "" without any two."""
    scores = {
        label: run.result.sign * run.result.after[run.result.metric]
        for label, run in compared.items()
        if run.result is not None
    }
    finite = {label: score for label, score in scores.items() if math.isfinite(score)}
    return max(finite, key=finite.__getitem__) if len(finite) > 1 else ""


def _difference(best: RunFolder, run: RunFolder) -> str:
    """Difference of the means, with the interval of two independent ones."""
    if best is run:
        return "best"
    assert best.result is not None
    assert run.result is not None
    metric, ours, theirs = run.result.metric, run.result.after, best.result.after
    interval = math.hypot(ours[f"{metric}_ci95"], theirs[f"{metric}_ci95"])
    apart = ours[metric] - theirs[metric]
    within = " (no significant difference)" if abs(apart) <= interval else ""
    return difference(metric, apart, interval) + within


def _figures(compared: Compared) -> list[tuple[str, Any]]:
    results = {label: run.result for label, run in compared.items() if run.result is not None}
    drawn = []
    for metric in next(iter(results.values())).metrics if results else []:
        if all(metric in result.metrics for result in results.values()):
            per_step = {written(label): result.per_step for label, result in results.items()}
            caption = f"Test {called(metric)} by inner step, with 95 % intervals"
            drawn.append((caption, inner_steps.draw(per_step, metric)))
    return [*drawn, *overlays.draw({written(label): run.rows for label, run in compared.items()})]
