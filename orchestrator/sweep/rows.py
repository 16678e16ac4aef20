"""sweep.parquet: a row per trial with its hyperparameters, its progress and its folder."""

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.storage.checkpoint import name_of, path
from orchestrator.storage.storage import Storage
from orchestrator.text.json_text import (
    FORMAT_VERSION,
    as_text,
    check_version,
    dumps,
    loads,
    numbers_of,
)

TRIALS_FILE = "sweep.parquet"
_VERSION = "metatrain.format_version"
Status = Literal["waiting", "running", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class Row:
    """The row of a trial.

    trial: its id. point: its hyperparameters by dotted name. status: its status.
    step: outer steps done.
    score: best score so far in the sweep's metric, nan before the first validation.
    best_step: outer steps done at that score, 0 before the first validation.
    latest: metrics of its last validation.
    seconds: seconds of training.
    replaced_actors: actors of its pool that were replaced.
    run: its folder, relative to the sweep's.
    failed: why it failed, "" if it did not.
    """

    trial: str
    point: dict[str, Any]
    status: Status = "waiting"
    step: int = 0
    score: float = math.nan
    best_step: int = 0
    latest: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    replaced_actors: int = 0
    run: str = ""
    failed: str = ""

    @property
    def checkpoint(self) -> str:
        """The folder of its best checkpoint, relative to the sweep's; "" if there is none."""
        return f"{self.run}/{path(name_of(self.best_step))}" if self.best_step else ""

    @property
    def is_over(self) -> bool:
        """Whether it will not continue."""
        return self.status in ("finished", "stopped", "failed")


def updated(
    row: Row, report: dict[str, Any], metrics: Iterable[str], metric: str, mode: str
) -> Row:
    """Return the row after a report of `Trial.advance`.

    Args:
      metrics: metrics of validation. metric: the one that decides. mode: "min" or "max".
    """
    if report.get("failed"):
        return replace(row, status="failed", failed=report["failed"])
    if row.run not in ("", report["run"]):  # perturbed: another configuration, in another folder
        row = replace(row, score=math.nan, best_step=0)
    latest = {name: float(report[name]) for name in metrics}
    sign = 1 if mode == "max" else -1
    is_better = math.isfinite(latest[metric]) and (
        math.isnan(row.score) or latest[metric] * sign > row.score * sign
    )
    score, step = (latest[metric], report["step"]) if is_better else (row.score, row.best_step)
    return replace(
        row,
        status="finished" if report["finished"] else "running",
        step=report["step"],
        score=score,
        best_step=step,
        latest=latest,
        seconds=report["seconds"],
        replaced_actors=report["replaced_actors"],
        run=report["run"],
    )


def with_missed_validations(
    row: Row,
    log: Iterable[dict[str, Any]],
    report: dict[str, Any],
    metrics: Sequence[str],
    metric: str,
    mode: str,
) -> Row:
    """Return the row with the validations that the run logged before `report` and that it lacks.

    A process may be killed after a validation and before sweep.parquet has it; the run continues
    after that validation.

    Args:
      log: the run's rows of metrics.jsonl, in order of step.
    """
    last_step = row.step if row.run == report["run"] else 0
    for logged in log:
        if last_step < logged["step"] < report["step"] and f"validation_{metric}" in logged:
            scores = {name: logged.get(f"validation_{name}", math.nan) for name in metrics}
            missed = report | scores | {"step": logged["step"], "finished": False}
            row = updated(row, missed, metrics, metric, mode)
    return row


def ranked(rows: Iterable[Row], mode: str) -> list[Row]:
    """List the rows with a score, the best first; equals stay in order."""
    scored = [row for row in rows if math.isfinite(row.score) and row.status != "failed"]
    return sorted(scored, key=lambda row: row.score if mode == "min" else -row.score)


def write(storage: Storage, rows: Sequence[Row], keys: Sequence[str], metric: str) -> None:
    """Write sweep.parquet, with a typed column for each key of the space.

    The column `number` is the number of a trial on the screen, from 1 in the order of their start.
    The points are also written as JSON, because the type of a column may change its values.
    """
    columns: dict[str, list[Any]] = {"number": list(range(1, len(rows) + 1))}
    columns |= {name: [_text(getattr(row, name)) for row in rows] for name in _PLAIN}
    columns["checkpoint"] = [_text(row.checkpoint) for row in rows]
    columns["point"] = [dumps(row.point) for row in rows]
    columns[f"best_{metric}"] = [_or_none(row.score) for row in rows]
    for name in sorted({name for row in rows for name in row.latest}):
        columns[f"last_{name}"] = [row.latest.get(name) for row in rows]
    for key in keys:
        columns[key] = _column_values([row.point.get(key) for row in rows])
    stream = io.BytesIO()
    table = pa.table(columns, metadata={_VERSION: str(FORMAT_VERSION)})
    pq.write_table(table, stream)
    storage.write(TRIALS_FILE, stream.getvalue())


def read(storage: Storage, metric: str) -> list[Row]:
    """Read the rows; return an empty list if there is no file.

    Columns of a newer version are ignored; those missing in an older one get their defaults.

    Raises:
      ValueError: the file is damaged, of a newer format, or another table.
    """
    if not storage.exists(TRIALS_FILE):
        return []
    place = storage.place(TRIALS_FILE)
    try:
        table = pq.read_table(io.BytesIO(storage.read(TRIALS_FILE)))
    except (pa.ArrowException, OSError) as error:
        raise _not_ours(place, str(error).partition("\n")[0]) from None
    version = (table.schema.metadata or {}).get(_VERSION.encode(), b"1").decode()
    check_version({"format_version": int(version) if version.isdecimal() else version}, place)
    try:
        return [_row(line, metric) for line in table.to_pylist()]
    except (KeyError, TypeError, ValueError) as error:
        raise _not_ours(place, f"{type(error).__name__}: {error}") from None


def _row(line: dict[str, Any], metric: str) -> Row:
    latest = {name[5:]: value for name, value in line.items() if name.startswith("last_")}
    score = line.get(f"best_{metric}")
    plain = {name: line[name] for name in _PLAIN if line.get(name) is not None}
    return Row(
        **{"trial": line["trial"], **plain},
        point=dict(loads(line["point"])),
        score=math.nan if score is None else float(score),
        latest=numbers_of({name: value for name, value in latest.items() if value is not None}),
    )


def _not_ours(place: str, what: str) -> ValueError:
    return ValueError(
        f"{place} is not what a sweep writes ({what}); restore a copy, or give another --out"
    )


_PLAIN = (
    "trial",
    "status",
    "step",
    "best_step",
    "seconds",
    "replaced_actors",
    "run",
    "failed",
)


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(value: Any) -> Any:
    """Make a text valid for Arrow, as file names and causes need not be."""
    return as_text(value) if isinstance(value, str) else value


def _column_values(values: list[Any]) -> list[Any]:
    """Return the values, as texts if Arrow has no common type for them."""
    try:
        if not any(isinstance(value, dict) for value in values):
            pa.array(values)
            return values
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        pass
    return [None if value is None else _text(str(value)) for value in values]
