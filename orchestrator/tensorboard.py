"""Scalars for TensorBoard, in RUN/tensorboard."""

from dataclasses import fields
from typing import Any

from tensorboardX import SummaryWriter

from orchestrator.pool import Incidents
from orchestrator.storage import Storage

_FOLDER = "tensorboard"
_OF_THE_RUN = {"tasks_per_s", "seconds", "skipped_tasks", *(f.name for f in fields(Incidents))}
_MOST_POINTS = 1000


class TensorBoardLog:
    """Writes some thousand points of each metric, and every validation.

    Event files are appended to, which object stores cannot: there nothing is written.
    """

    def __init__(self, storage: Storage, first_step: int, num_steps: int):
        self._every = max(1, num_steps // _MOST_POINTS)
        self._writer: Any = None
        if storage.local is not None:
            # A resumed run begins a file of its own; its steps hide those that were lost.
            self._writer = SummaryWriter(
                str(storage.local / _FOLDER), purge_step=first_step + 1 if first_step else None
            )

    def append(self, row: dict[str, Any]) -> None:
        """Take in a row of metrics.jsonl."""
        validated = any(name.startswith("validation_") for name in row)
        if self._writer is None or (row["step"] % self._every and not validated):
            return
        for name, value in row.items():
            if name != "step":
                group = "run" if name in _OF_THE_RUN else "tasks"
                self._writer.add_scalar(f"{group}/{name}", value, row["step"])

    def close(self) -> None:
        """Flush and close."""
        if self._writer is not None:
            self._writer.close()
