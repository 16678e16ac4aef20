"""metrics.jsonl: one row per outer step, without a gap or a double after a resume."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from orchestrator.storage.storage import Storage
from orchestrator.text.json_text import check_version, dumps, loads, numbers_of

_NAME = "metrics.jsonl"
_DAMAGED = "metrics.damaged.jsonl"
_PARTS = "metrics"
_FLUSH_S = 1.0
#: Columns that earlier versions wrote under another name.
_RENAMED = {"divergence": "kl"}


class MetricsLog:
    """Appends rows on a local disk; on an object store a part goes with each checkpoint.

    One thread appends, another may commit.
    """

    def __init__(
        self, storage: Storage, step: int, notify: Callable[[str], None] = lambda note: None
    ):
        """Open the log of a run that goes on from `step`: later rows are cut away.

        Rows that cannot be read are left out, and the file that held them is kept beside it;
        `notify` is told of that, and of rows that are missing.
        """
        self._storage = storage
        self._rows: list[tuple[int, str]] = []
        self._stream: TextIO | None = None
        self._lock = threading.Lock()
        self._flushed = time.monotonic()
        if storage.local is None:
            for part in storage.list(_PARTS):
                if int(part.partition(".")[0]) > step:
                    storage.delete(f"{_PARTS}/{part}")
            return
        path = storage.local / _NAME
        content = path.read_bytes() if path.exists() else b""
        rows = _rows_up_to(content, step)
        whole = b"".join(rows)
        if not content.startswith(whole):
            storage.write(_DAMAGED, content)
            storage.write(_NAME, whole)
        elif len(whole) < len(content):
            # Cut off rather than written anew: a crash in between must not cost the rows before.
            os.truncate(path, len(whole))
        if len(rows) < step:
            kept = f"; the file as it was is {_DAMAGED}" if storage.exists(_DAMAGED) else ""
            notify(f"{_NAME} holds {len(rows)} rows of the {step} steps that are done{kept}")
        self._stream = path.open("a", encoding="utf-8")

    def append(self, row: dict[str, Any]) -> None:
        """Add the row of a step; it has a key `step`."""
        line = dumps(row)
        if self._stream is None:
            self._rows.append((row["step"], line))
            return
        with self._lock:
            self._stream.write(line + "\n")
            if time.monotonic() - self._flushed > _FLUSH_S:
                self._flushed = time.monotonic()
                self._stream.flush()

    def commit(self, step: int) -> None:
        """Make all rows up to the checkpoint of `step` durable, before it is written."""
        if self._stream is not None:
            with self._lock:
                self._stream.flush()
            os.fsync(self._stream.fileno())
            return
        rows = [line for of_step, line in list(self._rows) if of_step <= step]
        if rows:
            content = "".join(f"{line}\n" for line in rows).encode()
            self._storage.write(f"{_PARTS}/{step:08d}.jsonl", content)
            del self._rows[: len(rows)]

    def close(self) -> None:
        """Flush and close."""
        if self._stream is not None:
            # What cannot be written by now is after the last checkpoint: a resume does it again.
            with contextlib.suppress(OSError):
                self._stream.close()


def read_metrics(storage: Storage) -> list[dict[str, Any]]:
    """All rows of a run, in order of step.

    Raises:
      ValueError: they are of a newer format, or a line is no row.
    """
    found = [_row(storage, line) for line in _lines(storage)]
    if None in found:
        line = found.index(None) + 1
        raise ValueError(
            f"line {line} of {storage.place(_NAME)} is not what a run writes; metatrain train "
            "--resume mends it"
        )
    return [row for row in found if row is not None]


def read_whole_rows(storage: Storage) -> tuple[list[dict[str, Any]], int]:
    """The rows that can be read, in order of step, and how many cannot: a crash cuts one short.

    Raises:
      ValueError: they are of a newer format.
    """
    rows: list[dict[str, Any]] = []
    lines = _lines(storage)
    for line in lines:
        row = _row(storage, line)
        if row is not None and row["step"] > (rows[-1]["step"] if rows else 0):
            rows.append(row)
    return rows, len(lines) - len(rows)


def _row(storage: Storage, line: str) -> dict[str, Any] | None:
    """The numbers of a line; None where it is no row, or a piece of one."""
    try:
        found = loads(line)
    except ValueError:
        return None
    check_version(found, storage.place(_NAME))
    numbers = numbers_of(found) if isinstance(found, dict) else {}
    row = {_RENAMED.get(name, name): value for name, value in numbers.items()}
    return row if isinstance(row.get("step"), int) else None


def _lines(storage: Storage) -> list[str]:
    if storage.exists(_NAME):
        return storage.read(_NAME).decode(errors="replace").splitlines()
    parts = storage.list(_PARTS)
    return [
        line for part in parts for line in storage.read(f"{_PARTS}/{part}").decode().splitlines()
    ]


def has_metrics(storage: Storage) -> bool:
    """Whether any step was logged, be it half."""
    if storage.exists(_NAME):
        return bool(storage.read(_NAME))
    return bool(storage.list(_PARTS))


def _rows_up_to(content: bytes, step: int) -> list[bytes]:
    """The whole rows up to `step`, each once; a row is whole with its end of line."""
    rows: list[bytes] = []
    last = 0
    for line in content.splitlines(keepends=True):
        number = _step_of(line, step)
        if line.endswith(b"\n") and last < number <= step:
            rows.append(line)
            last = number
    return rows


def _step_of(line: bytes, step: int) -> int:
    """The row's step; a row cut short by a crash counts as later than `step`."""
    try:
        return int(loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return step + 1
