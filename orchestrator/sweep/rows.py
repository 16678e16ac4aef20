"""A row per trial, as sweep.parquet has it: what was tried, how it went, where it is."""

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

NAME = "sweep.parquet"
_VERSION = "metatrain.format_version"
Status = Literal["waiting", "running", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class Row:
    """A trial.

    point: its hyperparameters, dotted. step: outer steps done. latest: its last validation.
    score: the best one of the sweep's metric so far, at best_step; nan before the first.
    seconds: of training. run: its folder, below the sweep's. failed: the cause, or "".
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
        """The best one's folder, below the sweep's; "" before the first validation."""
        return f"{self.run}/{path(name_of(self.best_step))}" if self.best_step else ""

    @property
    def is_over(self) -> bool:
        """Whether it will not go on."""
        return self.status in ("finished", "stopped", "failed")


def updated(
    row: Row, report: dict[str, Any], metrics: Iterable[str], metric: str, mode: str
) -> Row:
    """The row after a report of `Trial.advance`."""
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


def caught_up(
    row: Row,
    log: Iterable[dict[str, Any]],
    report: dict[str, Any],
    metrics: Sequence[str],
    metric: str,
    mode: str,
) -> Row:
    """The row with the validations that the run logged before `report` and nobody took in.

    A process may be killed between a validation and the moment when sweep.parquet has it; the run
    goes on after it.

    Args:
      log: the run's rows of metrics.jsonl, in order of step.
    """
    known = row.step if row.run == report["run"] else 0
    for logged in log:
        if known < logged["step"] < report["step"] and f"validation_{metric}" in logged:
            scores = {name: logged.get(f"validation_{name}", math.nan) for name in metrics}
            missed = report | scores | {"step": logged["step"], "finished": False}
            row = updated(row, missed, metrics, metric, mode)
    return row


def ranked(rows: Iterable[Row], mode: str) -> list[Row]:
    """Those that have a score, the best first; the earlier of equals."""
    scored = [row for row in rows if math.isfinite(row.score) and row.status != "failed"]
    return sorted(scored, key=lambda row: row.score if mode == "min" else -row.score)


def write(storage: Storage, rows: Sequence[Row], keys: Sequence[str], metric: str) -> None:
    """Write sweep.parquet: a column for each key, whose type is that of its values.

    number: what a trial is called on the screen, from 1 in the order in which they began.

    The points are there once more as JSON: a column's type may change what is in it.
    """
    columns: dict[str, list[Any]] = {"number": list(range(1, len(rows) + 1))}
    columns |= {name: [_text(getattr(row, name)) for row in rows] for name in _PLAIN}
    columns["checkpoint"] = [_text(row.checkpoint) for row in rows]
    columns["point"] = [dumps(row.point) for row in rows]
    columns[f"best_{metric}"] = [_or_none(row.score) for row in rows]
    for name in sorted({name for row in rows for name in row.latest}):
        columns[f"last_{name}"] = [row.latest.get(name) for row in rows]
    for key in keys:
        columns[key] = _alike([row.point.get(key) for row in rows])
    stream = io.BytesIO()
    table = pa.table(columns, metadata={_VERSION: str(FORMAT_VERSION)})
    pq.write_table(table, stream)
    storage.write(NAME, stream.getvalue())


def read(storage: Storage, metric: str) -> list[Row]:
    """What `write` wrote; empty if nothing was.

    Columns of a newer version are passed over, what an older one lacks is as in a row that begins.

    Raises:
      ValueError: the file is damaged, of a newer format, or another table.
    """
    if not storage.exists(NAME):
        return []
    place = storage.place(NAME)
    try:
        table = pq.read_table(io.BytesIO(storage.read(NAME)))
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
    there = {name: line[name] for name in _PLAIN if line.get(name) is not None}
    return Row(
        **{"trial": line["trial"], **there},
        point=dict(loads(line["point"])),
        score=math.nan if score is None else float(score),
        latest=numbers_of({name: value for name, value in latest.items() if value is not None}),
    )


def _not_ours(place: str, what: str) -> ValueError:
    return ValueError(
        f"{place} is not what a sweep writes ({what}); put back a copy, or give another --out"
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
    """Names on a disk and causes may hold what is no text for Arrow."""
    return as_text(value) if isinstance(value, str) else value


def _alike(values: list[Any]) -> list[Any]:
    """As they are, or as text where Arrow knows no type for all of them."""
    try:
        if not any(isinstance(value, dict) for value in values):
            pa.array(values)
            return values
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        pass
    return [None if value is None else _text(str(value)) for value in values]
