"""seeds.json: the test scores of one configuration from several seeds, their mean and spread."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from orchestrator.records.result import Result
from orchestrator.storage.storage import Storage
from orchestrator.text.json_text import FORMAT_VERSION, dumps

SEEDS_FILE = "seeds.json"
# Student's t for 95 %, by degrees of freedom from 1; few seeds have a wide interval.
_T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228]
_T += [2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086]
_T += [2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042]
_T_OF_MANY = 1.96


def folder_of(seed: int) -> str:
    """Return the name of the folder of a seed's run, below that of all seeds."""
    return f"seed-{seed}"


def over_seeds(metric: str, values: Sequence[float]) -> dict[str, float]:
    """Average the scores of two or more seeds.

    Returns:
      metric: the mean; metric_std: the standard deviation over seeds, of a sample; metric_ci95:
      half of the 95 % interval of the mean (Student's t). All are nan if a score is not finite.
    """
    if not all(map(math.isfinite, values)):
        return {metric: math.nan, f"{metric}_std": math.nan, f"{metric}_ci95": math.nan}
    freedom, spread = len(values) - 1, stdev(values)
    factor = _T[freedom - 1] if freedom <= len(_T) else _T_OF_MANY
    half = factor * spread / math.sqrt(len(values))
    return {metric: fmean(values), f"{metric}_std": spread, f"{metric}_ci95": half}


def seeds_document(results: Mapping[int, Result | None]) -> dict[str, Any]:
    """Return the content of seeds.json.

    Args:
      results: seed -> the result of its run; None while it has none.
    Returns:
      seeds: an entry for each seed, whose scores have intervals over test tasks; before and after:
      means over seeds, once all are there.
    """
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "seeds": [_entry(seed, result) for seed, result in results.items()],
    }
    whole = [result for result in results.values() if result is not None]
    if len(whole) < len(results) or len(whole) < 2:
        return document
    first = whole[0]
    sides = {"before": [r.before for r in whole], "after": [r.after for r in whole]}
    means: dict[str, dict[str, float]] = {
        side: {
            key: value
            for name in first.metrics
            for key, value in over_seeds(name, [row[name] for row in rows]).items()
        }
        for side, rows in sides.items()
    }
    return {**document, "metric": first.metric, "sign": first.sign, **means}


def _entry(seed: int, result: Result | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"seed": seed, "run": folder_of(seed)}
    if result is None:
        return entry
    return {
        **entry,
        "checkpoint": result.checkpoint,
        "theta_sha256": result.theta_sha256,
        "before": result.before,
        "after": result.after,
    }


def write_seeds(storage: Storage, results: Mapping[int, Result | None]) -> dict[str, Any]:
    """Write seeds.json into the folder of all seeds, and return its content."""
    document = seeds_document(results)
    storage.write_changed(SEEDS_FILE, dumps(document, indent=1).encode())
    return document
