"""metrics.jsonl: one row per outer step, without gaps or duplicates after a resume."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from orchestrator.storage.storage import Storage
from orchestrator.text.json_text import check_version, dumps, loads, numbers_of

_METRICS_FILE = "metrics.jsonl"
_DAMAGED_FILE = "metrics.damaged.jsonl"
_PARTS_FOLDER = "metrics"
_FLUSH_S = 1.0
#: Columns that earlier versions wrote under another name.
_RENAMED = {"divergence": "kl"}


class MetricsLog:
    """A log that appends rows on a local disk, and writes a part per checkpoint on an object store.

    One thread appends, another may commit.
    """

    def __init__(
        self, storage: Storage, step: int, notify: Callable[[str], None] = lambda note: None
    ):
        """Open the log of a run that continues from `step`, and cut off later rows.

        Rows that cannot be read are left out, and the damaged file is kept under another name;
        `notify` takes a line about missing rows.
        """
        self._storage = storage
        self._rows: list[tuple[int, str]] = []
        self._stream: TextIO | None = None
        self._lock = threading.Lock()
        self._flushed = time.monotonic()
        if storage.local is None:
            for part in storage.list(_PARTS_FOLDER):
                if int(part.partition(".")[0]) > step:
                    storage.delete(f"{_PARTS_FOLDER}/{part}")
            return
        path = storage.local / _METRICS_FILE
        content = path.read_bytes() if path.exists() else b""
        rows = _rows_up_to(content, step)
        whole = b"".join(rows)
        if not content.startswith(whole):
            storage.write(_DAMAGED_FILE, content)
            storage.write(_METRICS_FILE, whole)
        elif len(whole) < len(content):
            # Truncated rather than rewritten: a crash in between must not cost the earlier rows.
            os.truncate(path, len(whole))
        if len(rows) < step:
            kept = (
                f"; the damaged file is kept as {_DAMAGED_FILE}"
                if storage.exists(_DAMAGED_FILE)
                else ""
            )
            notify(
                f"{_METRICS_FILE} holds {len(rows)} rows of the {step} steps that are done{kept}"
            )
        self._stream = path.open("a", encoding="utf-8")

    def append(self, row: dict[str, Any]) -> None:
        """Add the row of a step, which has a key `step`."""
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
            self._storage.write(f"{_PARTS_FOLDER}/{step:08d}.jsonl", content)
            del self._rows[: len(rows)]

    def close(self) -> None:
        """Flush and close."""
        if self._stream is not None:
            # Rows that cannot be written follow the last checkpoint: a resume repeats their steps.
            with contextlib.suppress(OSError):
                self._stream.close()


def read_metrics(storage: Storage) -> list[dict[str, Any]]:
    """Read all rows of a run, in order of step.

    Raises:
      ValueError: the format is newer, or a line is not a row.
    """
    rows = [_row(storage, line) for line in _lines(storage)]
    if None in rows:
        line = rows.index(None) + 1
        raise ValueError(
            f"line {line} of {storage.place(_METRICS_FILE)} is not what a run writes; metatrain "
            "train --resume repairs it"
        )
    return [row for row in rows if row is not None]


def read_whole_rows(storage: Storage) -> tuple[list[dict[str, Any]], int]:
    """Read the rows that are complete; a crash may have truncated one.

    Returns:
      the rows in order of step, and the number of lines that are not rows.
    Raises:
      ValueError: the format is newer.
    """
    rows: list[dict[str, Any]] = []
    lines = _lines(storage)
    for line in lines:
        row = _row(storage, line)
        if row is not None and row["step"] > (rows[-1]["step"] if rows else 0):
            rows.append(row)
    return rows, len(lines) - len(rows)


def _row(storage: Storage, line: str) -> dict[str, Any] | None:
    """Parse a line; return None if it is not a row, or only a part of one."""
    try:
        table = loads(line)
    except ValueError:
        return None
    check_version(table, storage.place(_METRICS_FILE))
    numbers = numbers_of(table) if isinstance(table, dict) else {}
    row = {_RENAMED.get(name, name): value for name, value in numbers.items()}
    return row if isinstance(row.get("step"), int) else None


def _lines(storage: Storage) -> list[str]:
    if storage.exists(_METRICS_FILE):
        return storage.read(_METRICS_FILE).decode(errors="replace").splitlines()
    parts = storage.list(_PARTS_FOLDER)
    return [
        line
        for part in parts
        for line in storage.read(f"{_PARTS_FOLDER}/{part}").decode().splitlines()
    ]


def has_metrics(storage: Storage) -> bool:
    """Tell whether any step was logged, even partly."""
    if storage.exists(_METRICS_FILE):
        return bool(storage.read(_METRICS_FILE))
    return bool(storage.list(_PARTS_FOLDER))


def _rows_up_to(content: bytes, step: int) -> list[bytes]:
    """List the complete rows up to `step`, each step once; a complete row ends with a newline."""
    rows: list[bytes] = []
    last = 0
    for line in content.splitlines(keepends=True):
        number = _step_of(line, step)
        if line.endswith(b"\n") and last < number <= step:
            rows.append(line)
            last = number
    return rows


def _step_of(line: bytes, step: int) -> int:
    """Return the step of a row; a row truncated by a crash counts as later than `step`."""
    try:
        return int(loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return step + 1
