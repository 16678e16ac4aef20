"""metrics.jsonl: one row per outer step, without a gap or a double after a resume."""

import json
import os
import time
from typing import Any, TextIO

from orchestrator.storage import Storage

_NAME = "metrics.jsonl"
_PARTS = "metrics"
_FLUSH_S = 1.0


class MetricsLog:
    """Appends rows on a local disk; on an object store a part goes with each checkpoint."""

    def __init__(self, storage: Storage, step: int):
        """Open the log of a run that goes on from `step`: later rows are cut away."""
        self._storage = storage
        self._rows: list[str] = []
        self._stream: TextIO | None = None
        self._flushed = time.monotonic()
        if storage.local is None:
            for part in storage.list(_PARTS):
                if int(part.partition(".")[0]) > step:
                    storage.delete(f"{_PARTS}/{part}")
            return
        path = storage.local / _NAME
        if path.exists():
            kept = [line for line in path.read_text().splitlines() if _step_of(line, step) <= step]
            storage.write(_NAME, "".join(f"{line}\n" for line in kept).encode())
        self._stream = path.open("a")

    def append(self, row: dict[str, Any]) -> None:
        """Add the row of a step; it has a key `step`."""
        line = json.dumps(row)
        if self._stream is not None:
            self._stream.write(line + "\n")
            if time.monotonic() - self._flushed > _FLUSH_S:
                self._stream.flush()
                self._flushed = time.monotonic()
        else:
            self._rows.append(line)

    def commit(self, step: int) -> None:
        """Make all rows up to the checkpoint of `step` durable, before it is written."""
        if self._stream is not None:
            self._stream.flush()
            os.fsync(self._stream.fileno())
        elif self._rows:
            content = "".join(f"{line}\n" for line in self._rows).encode()
            self._storage.write(f"{_PARTS}/{step:08d}.jsonl", content)
            self._rows.clear()

    def close(self) -> None:
        """Flush and close."""
        if self._stream is not None:
            self._stream.close()


def read_metrics(storage: Storage) -> list[dict[str, Any]]:
    """All rows of a run, in order of step."""
    if storage.exists(_NAME):
        text = storage.read(_NAME).decode()
    else:
        parts = storage.list(_PARTS)
        text = "".join(storage.read(f"{_PARTS}/{part}").decode() for part in parts)
    return [json.loads(line) for line in text.splitlines()]


def _step_of(line: str, step: int) -> int:
    """The row's step; a row cut short by a crash counts as later than `step`."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return step + 1
