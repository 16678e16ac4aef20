"""The TensorBoard log of a run: scalars and pictures in RUN/tensorboard."""

import contextlib
import re
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import text

from orchestrator.pool.base import Incidents
from orchestrator.storage.storage import Storage

_FOLDER = "tensorboard"
_OF_THE_RUN = {"tasks_per_s", "seconds", "skipped_tasks", *(f.name for f in fields(Incidents))}
_MOST_POINTS = 1000
_FLUSH_S = 10.0
_EVENT_FILE = re.compile(r"events\.out\.tfevents\.(\d{1,12})\.")


class TensorBoardLog:
    """A TensorBoard log of about a thousand points of each metric, and of every validation.

    Event files are appended to, which object stores do not support: there nothing is written.
    Records are written in the calling thread, because tensorboardX's SummaryWriter waits for its
    thread for ever once the disk is full.
    """

    def __init__(self, storage: Storage, first_step: int, num_steps: int):
        self._every = max(1, num_steps // _MOST_POINTS)
        self._records: Any = None
        if storage.local is None:
            return
        self._records = RecordWriter(str(_new_file(storage.local / _FOLDER)))
        self._flushed = 0.0
        self._write(Event(file_version="brain.Event:2"))
        if first_step:
            # A resumed run starts a new file; this event hides the points of repeated steps.
            start = SessionLog(status=SessionLog.START)
            self._write(Event(step=first_step + 1, session_log=start))

    def append(self, row: dict[str, Any]) -> None:
        """Add a row of metrics.jsonl.

        Raises:
          OSError: it cannot be written.
        """
        if self._records is None:
            return
        if row["step"] % self._every and not any(name.startswith("validation_") for name in row):
            return
        values = []
        for name, value in row.items():
            if name != "step":
                group = "run" if name in _OF_THE_RUN else "tasks"
                values.append(Summary.Value(tag=f"{group}/{name}", simple_value=value))
        self._write(Event(step=row["step"], summary=Summary(value=values)))

    def append_images(self, step: int, images: Mapping[str, bytes]) -> None:
        """Add PNGs by name.

        Raises:
          OSError: they cannot be written.
        """
        if self._records is None:
            return
        values = [
            Summary.Value(tag=f"test/{name}", image=_image(png)) for name, png in images.items()
        ]
        self._write(Event(step=step, summary=Summary(value=values)))

    def append_text(self, step: int, name: str, content: str) -> None:
        """Add a text on the test.

        Raises:
          OSError: it cannot be written.
        """
        if self._records is not None:
            self._write(Event(step=step, summary=text(f"test/{name}", content)))

    def close(self) -> None:
        """Flush and close."""
        if self._records is not None:
            with contextlib.suppress(OSError):  # only the last points of the curves are lost
                self._records.close()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())
        if time.monotonic() - self._flushed > _FLUSH_S:
            self._flushed = time.monotonic()
            self._records.flush()


def _new_file(folder: Path) -> Path:
    """Return an unused name that sorts after all existing ones, as TensorBoard reads them in order.

    The clock alone does not do: it may have been set back, and a run may be resumed within a
    second.
    """
    folder.mkdir(parents=True, exist_ok=True)
    matches = [_EVENT_FILE.match(file.name) for file in folder.iterdir()]
    second = max([int(time.time()), *(int(match[1]) + 1 for match in matches if match)])
    return folder / f"events.out.tfevents.{second}.{socket.gethostname()}"


def _image(png: bytes) -> Summary.Image:
    """Return an image with its size, which is at the same place in every PNG."""
    width, height = struct.unpack(">II", png[16:24])
    return Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
