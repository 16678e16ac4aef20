"""Means over runs that differ only in their seed."""

import json
import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from orchestrator.config.schema import flatten
from orchestrator.reporting.page.numbers import with_interval
from orchestrator.reporting.page.run_folder import RunFolder

# Keys that do not change a score, and the seed itself.
_MAY_DIFFER = ("seed", "name")
_SECTIONS_THAT_MAY = ("workers.", "checkpoint.")
# Student's t for 95 %, by degrees of freedom from 1; few seeds have a wide interval.
_T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228]
_T += [2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086]
_T += [2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042]
_T_OF_MANY = 1.96


def of_seeds(compared: Mapping[str, RunFolder]) -> list[list[str]]:
    """Group the labels of runs that differ only in their seeds; groups of one are left out.

    Of two runs with the same seed only the first counts, as the other repeats it.
    """
    groups: dict[str, dict[str, str]] = {}
    for label, run in compared.items():
        if run.result is None:
            continue
        config = flatten(run.config)
        same = {
            key: value
            for key, value in config.items()
            if key not in _MAY_DIFFER and not key.startswith(_SECTIONS_THAT_MAY)
        }
        measured = {key: run.result.protocol.get(key) for key in ("test_tasks", "data_digest")}
        key = json.dumps([same, run.result.metric, measured], sort_keys=True, default=str)
        groups.setdefault(key, {}).setdefault(str(config.get("seed")), label)
    return [list(labels.values()) for labels in groups.values() if len(labels) > 1]


def mean_rows(
    compared: Mapping[str, RunFolder], groups: Sequence[Sequence[str]]
) -> list[dict[str, str]]:
    """Make a row of the scores' table for each group: means over seeds, before and after."""
    rows = []
    for labels in groups:
        results = [result for label in labels if (result := compared[label].result) is not None]
        metric = results[0].metric
        sides = {"after": [r.after for r in results], "before": [r.before for r in results]}
        rows.append(
            {
                "run": f"mean over {len(labels)} seeds: {', '.join(labels)}",
                **{
                    side: with_interval(metric, _mean(metric, [row[metric] for row in scores]))
                    for side, scores in sides.items()
                },
                "method": results[0].protocol.get("method", ""),
            }
        )
    return rows


def _mean(metric: str, values: Sequence[float]) -> dict[str, float]:
    """Return the mean over seeds, and half of its 95 % interval."""
    if not all(map(math.isfinite, values)):
        return {metric: math.nan, f"{metric}_ci95": math.nan}
    freedom = len(values) - 1
    factor = _T[freedom - 1] if freedom <= len(_T) else _T_OF_MANY
    half = factor * stdev(values) / math.sqrt(len(values))
    return {metric: fmean(values), f"{metric}_ci95": half}
