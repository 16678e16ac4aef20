"""Scalars for TensorBoard, in RUN/tensorboard."""

import contextlib
import socket
import struct
import time
from typing import Any, BinaryIO

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from orchestrator.storage import Storage

_FOLDER = "tensorboard"
_MOST_POINTS = 1000
_FLUSH_S = 10.0


class TensorBoardLog:
    """Writes some thousand points of each metric, and every validation.

    Event files are appended to, which object stores cannot: there nothing is written. They are
    written here and now: tensorboardX's own writer waits for its thread without end once the disk
    is full.
    """

    def __init__(self, storage: Storage, first_step: int, num_steps: int):
        self._every = max(1, num_steps // _MOST_POINTS)
        self._stream: BinaryIO | None = None
        if storage.local is None:
            return
        folder = storage.local / _FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}"
        self._stream = (folder / name).open("ab")
        self._flushed = 0.0
        self._write(Event(file_version="brain.Event:2"))
        if first_step:
            # A resumed run begins a file of its own; its steps hide those that were lost.
            start = SessionLog(status=SessionLog.START)
            self._write(Event(step=first_step + 1, session_log=start))

    def append(self, row: dict[str, Any]) -> None:
        """Take in a row of metrics.jsonl. Raises OSError if it cannot be written."""
        validated = any(name.startswith("validation_") for name in row)
        if self._stream is None or (row["step"] % self._every and not validated):
            return
        values = []
        for name, value in row.items():
            if name != "step":
                group = "run" if name in ("tasks_per_s", "seconds", "replaced_actors") else "tasks"
                values.append(Summary.Value(tag=f"{group}/{name}", simple_value=value))
        self._write(Event(step=row["step"], summary=Summary(value=values)))

    def close(self) -> None:
        """Flush and close."""
        if self._stream is not None:
            with contextlib.suppress(OSError):  # only the last points of the curves are lost
                self._stream.close()

    def _write(self, event: Event) -> None:
        """Append a record as TensorFlow frames it: length and content, each with a checksum."""
        assert self._stream is not None
        event.wall_time = time.time()
        content = event.SerializeToString()
        length = struct.pack("<Q", len(content))
        checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, content)]
        self._stream.write(length + checksums[0] + content + checksums[1])
        if time.monotonic() - self._flushed > _FLUSH_S:
            self._flushed = time.monotonic()
            self._stream.flush()
