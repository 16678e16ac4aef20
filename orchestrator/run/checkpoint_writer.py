"""The writer of checkpoints: a thread, so that a step waits only for the copy."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from orchestrator.outer.state import MetaState
from orchestrator.records.metrics_log import MetricsLog
from orchestrator.storage import checkpoint
from orchestrator.storage.checkpoint import Manifest
from orchestrator.storage.claim import FolderGoneError
from orchestrator.storage.disk_errors import remedy
from orchestrator.storage.object_store import reason
from orchestrator.storage.retention import Retention
from orchestrator.storage.storage import Storage
from workers.wire.errors import CheckpointError

# Snapshots of validated steps are never dropped; `submit` waits if so many are in memory.
_MOST_WAITING = 4


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after a complete step.

    state: the state; its arrays must not change.
    validation: the validation record, empty if the step was not validated.
    """

    state: MetaState
    validation: dict[str, Any]


class CheckpointWriter:
    """A writer of snapshots in order, each after the metrics up to it; it also prunes.

    A snapshot that waits behind a slow write is replaced by the next one unless it was validated,
    so that the best checkpoint does not depend on the speed of the disk. After the first error
    nothing more is written.

    saved_step: step of the newest checkpoint, -1 before the first one.
    """

    def __init__(
        self,
        storage: Storage,
        log: MetricsLog,
        describe: Callable[[Snapshot], Manifest],
        keep: int,
        notify: Callable[[str], None],
        saved_step: int = -1,
        written: Callable[[], None] = lambda: None,
    ):
        """Start the thread.

        Args:
          log: the metrics log, which is committed before each checkpoint.
          describe: returns the manifest of a snapshot; called in the thread.
          keep: number of newest checkpoints that are kept beside the best.
          notify: takes a line about faults that do not end the run; called in the thread.
          saved_step: step of the newest checkpoint, -1 if there is none.
          written: called in the thread after each checkpoint.
        """
        self._storage, self._log, self._describe = storage, log, describe
        self._retention = Retention(storage, keep, notify)
        self._notify, self._written = notify, written
        self.saved_step = saved_step
        self._changed = threading.Condition()
        self._waiting: list[Snapshot] = []
        self._writing = self._closed = False
        self._durations_s: list[float] = []
        self._failure: BaseException | None = None
        self._raised = False
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def submit(self, snapshot: Snapshot) -> None:
        """Queue a snapshot to be written.

        Raises:
          CheckpointError: an earlier one could not be written.
        """
        with self._changed:
            while len(self._waiting) >= _MOST_WAITING and self._failure is None:
                self._changed.wait()
            self.check()
            if self._waiting and not self._waiting[-1].validation:
                self._waiting[-1] = snapshot
            else:
                self._waiting.append(snapshot)
            self._changed.notify_all()

    def durations_s(self) -> list[float]:
        """Return the seconds of each checkpoint written since the last call."""
        durations_s, self._durations_s = self._durations_s, []
        return durations_s

    def check(self) -> None:
        """Raise the error of the thread, if there is one."""
        if self._failure is not None:
            self._raised = True
            raise self._failure

    def flush(self) -> None:
        """Wait until all submitted snapshots are written durably.

        Raises:
          CheckpointError: one could not be written.
        """
        with self._changed:
            self._changed.notify_all()
            while (self._waiting or self._writing) and self._failure is None:
                self._changed.wait()
        self.check()

    def close(self) -> None:
        """Write what is queued, and end the thread; notify of an error that was not raised yet."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        if self._failure is not None and not self._raised:
            self._raised = True
            self._notify(str(self._failure))

    def _run(self) -> None:
        while (snapshot := self._next()) is not None:
            failure: BaseException | None = None
            try:
                self._write(snapshot)
            except BaseException as error:  # raised again by `check`
                failure = error
            with self._changed:
                self._failure, self._writing = failure, False
                if failure is not None:
                    self._closed = True
                    self._waiting.clear()
                self._changed.notify_all()

    def _next(self) -> Snapshot | None:
        """Wait for the next snapshot to write; return None if there will be no more."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            self._writing = bool(self._waiting)
            snapshot = self._waiting.pop(0) if self._waiting else None
            self._changed.notify_all()
            return snapshot

    def _write(self, snapshot: Snapshot) -> None:
        step, began = snapshot.state.step, time.monotonic()
        self._retention.open()
        with explaining(self._storage, checkpoint.name_of(step), self.saved_step):
            self._log.commit(step)
            name = checkpoint.save(self._storage, snapshot.state, self._describe(snapshot))
        self._durations_s.append(time.monotonic() - began)
        self.saved_step = step
        self._retention.add(name, snapshot.validation)
        self._retention.prune()
        self._written()


@contextlib.contextmanager
def explaining(storage: Storage, what: str, saved_step: int) -> Iterator[None]:
    """Turn an error of the filesystem within the context into a CheckpointError.

    Args:
      what: what is written, for the message. saved_step: step of the newest checkpoint.
    Raises:
      CheckpointError: names what could not be written, why, the last good checkpoint, and what to
        do.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        last = "there is no checkpoint yet"
        if saved_step >= 0:
            last = f"the last good checkpoint is {checkpoint.name_of(saved_step)}"
        gone = isinstance(error, FolderGoneError)
        todo = "put the folder back" if gone else remedy(error)
        raise CheckpointError(
            f"{what} could not be written to {storage.location}: {reason(error)}; {last}; {todo} "
            "and continue with --resume"
        ) from None
