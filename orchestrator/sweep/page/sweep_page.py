"""The page of a sweep, one HTML file: the best trials, all trials, and what mattered."""

from collections.abc import Sequence
from typing import Any

from orchestrator.records.metrics_log import read_whole_rows
from orchestrator.reporting.drawing import drawing
from orchestrator.reporting.page.html import render
from orchestrator.reporting.protocol_lines import protocol_of
from orchestrator.reporting.svg_element import svg
from orchestrator.storage.storage import Storage
from orchestrator.sweep import record, rows
from orchestrator.sweep.page.importance import importances
from orchestrator.sweep.page.sweep_pictures import (
    curves,
    importance_bars,
    parallel_coordinates,
)
from orchestrator.sweep.rows import Row
from orchestrator.sweep.settings import SweepSettings

PAGE_FILE = "report.html"
# From so many scored trials on, importances are shown without a warning.
_ENOUGH = 10


@drawing()
def write_sweep_page(
    name: str,
    sweep: SweepSettings,
    storage: Storage,
    runs: dict[str, Storage],
    trials: Sequence[Row],
    objective: tuple[str, str],
    tested: Sequence[dict[str, Any]],
) -> str:
    """Write report.html into the sweep's folder, and return its name.

    Args:
      name: name of the run that is searched.
      runs: folder of each trial's run.
      trials: rows of all trials.
      objective: metric and mode.
      tested: {"trial", "headline", "protocol"} of each trial evaluated on the test tasks.
    """
    metric, mode = objective
    ranked = rows.ranked(trials, mode)
    best, keys = ranked[0], list(sweep.space)
    numbers = {row.trial: number for number, row in enumerate(trials, start=1)}
    shares, left_out = importances(ranked, sweep.space, mode)
    page = render(
        "sweep.html",
        name=name,
        headline=f"best of {len(trials)} trials: validation {metric} {best.score:.4f}",
        best={key: _plain(value) for key, value in best.point.items()},
        tested=[
            {
                **test,
                "trial": f"trial {numbers[test['trial']]}",
                "protocol": protocol_of(test["protocol"]),
            }
            for test in tested
        ],
        metric=metric,
        coordinates=svg(
            parallel_coordinates({numbers[row.trial]: row for row in ranked}, sweep.space, metric),
            f"Hyperparameters and validation {metric} of each trial",
        ),
        curves=svg(
            curves({numbers[row.trial]: _curve(runs[row.trial], metric) for row in ranked}, metric),
            f"Validation {metric} of each trial by outer step",
        ),
        importance=svg(importance_bars(shares), "Importance") if shares else "",
        left_out=left_out,
        scored=len(ranked),
        few=len(ranked) < _ENOUGH,
        trials=[_line(numbers[row.trial], row, keys, metric) for row in _in_order(trials, ranked)],
        configuration=storage.read(record.SWEEP_FILE).decode(),
    )
    storage.write(PAGE_FILE, page)
    return PAGE_FILE


def _curve(run: Storage, metric: str) -> list[tuple[int, float]]:
    name = f"validation_{metric}"
    return [(row["step"], row[name]) for row in read_whole_rows(run)[0] if name in row]


def _in_order(trials: Sequence[Row], ranked: Sequence[Row]) -> list[Row]:
    """Sort trials: the best first, those without a score last."""
    scored = {row.trial for row in ranked}
    return [*ranked, *(row for row in trials if row.trial not in scored)]


def _line(number: int, row: Row, keys: Sequence[str], metric: str) -> dict[str, str]:
    return {
        "trial": str(number),
        "status": row.status + (f": {row.failed}" if row.failed else ""),
        f"best {metric}": _plain(row.score),
        "at step": str(row.best_step),
        "steps": str(row.step),
        "seconds": f"{row.seconds:.0f}",
        **{key: _plain(row.point.get(key, "")) for key in keys},
        "run": row.run,
    }


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
