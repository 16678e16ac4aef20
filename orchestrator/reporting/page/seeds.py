"""Means over runs that differ only in their seed."""

import json
from collections.abc import Mapping, Sequence

from orchestrator.config.schema import flatten
from orchestrator.records.seed_scores import over_seeds
from orchestrator.reporting.page.numbers import score, with_interval
from orchestrator.reporting.page.run_folder import RunFolder

# Keys that do not change a score, and the seed itself.
_MAY_DIFFER = ("seed", "name")
_SECTIONS_THAT_MAY = ("workers.", "checkpoint.")
# Facts of the protocol that the configuration does not hold.
_MEASURED_ON = ("test_tasks", "data_digest", "backbone_digest")
#: The column of the standard deviation over seeds.
SPREAD = "standard deviation over seeds"


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
        measured = {key: run.result.protocol.get(key) for key in _MEASURED_ON}
        key = json.dumps([same, run.result.metric, measured], sort_keys=True, default=str)
        groups.setdefault(key, {}).setdefault(str(config.get("seed")), label)
    return [list(labels.values()) for labels in groups.values() if len(labels) > 1]


def mean_rows(
    compared: Mapping[str, RunFolder], groups: Sequence[Sequence[str]]
) -> list[dict[str, str]]:
    """Make a row of the scores' table for each group: means over seeds, and their spread."""
    rows = []
    for labels in groups:
        results = [result for label in labels if (result := compared[label].result) is not None]
        metric = results[0].metric
        sides = {
            "after": over_seeds(metric, [result.after[metric] for result in results]),
            "before": over_seeds(metric, [result.before[metric] for result in results]),
        }
        rows.append(
            {
                "run": f"mean over {len(labels)} seeds: {', '.join(labels)}",
                **{side: with_interval(metric, means) for side, means in sides.items()},
                SPREAD: score(metric, sides["after"][f"{metric}_std"]),
                "method": results[0].protocol.get("method", ""),
            }
        )
    return rows
