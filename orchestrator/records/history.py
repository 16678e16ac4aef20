"""history.json: an entry for each opening of a run: command, time, machines and steps.

It is for people and for the page: no weight depends on it, and a run continues without it.
"""

import os
import platform
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from orchestrator.storage.object_store import reason
from orchestrator.storage.storage import Storage
from orchestrator.text.json_text import check_version, dumps, loads
from workers.wire.protocol import Place

if TYPE_CHECKING:  # imports TensorFlow's runtime
    from orchestrator.run.launch import Launch

HISTORY_FILE = "history.json"
_DAMAGED_FILE = "history.damaged.json"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """The entry for one opening of a run.

    command: the command as typed, without secrets; "" if unknown.
    pool: name of the pool that ran the blocks.
    first_step: outer steps done when it was opened.
    last_step: outer steps done when the entry was last written.
    cpus: CPUs of each actor. gpus: GPUs of each actor. gpu_names: models of these GPUs.
    actors: host -> the largest number of actors there at a time.
    driver: {"host", "processor", "cpus"} of the driver's machine.
    metatrain: version of metatrain, "" if unknown.
    started: when it was opened, UTC, ISO 8601.
    seen: when the entry was last written, UTC, ISO 8601.
    seconds: time between the two, by a monotonic clock.
    ended: how the run ended; "" while it is open, and for ever if it was killed.
    """

    command: str
    pool: str
    first_step: int
    last_step: int
    cpus: float = 1
    gpus: float = 0
    gpu_names: Sequence[str] = ()
    actors: dict[str, int] = field(default_factory=dict)
    driver: dict[str, Any] = field(default_factory=dict)
    metatrain: str = ""
    started: str = ""
    seen: str = ""
    seconds: float = 0.0
    ended: str = ""


class RunHistory:
    """The history of a run: the entry of this opening after the earlier ones."""

    def __init__(self, storage: Storage, opening: HistoryEntry, notify: Callable[[str], None]):
        """Add an entry and write the file.

        A file that cannot be read is kept under another name. `notify` takes a line about that, and
        one line if the file cannot be written; the run continues.
        """
        self._storage, self._notify = storage, notify
        self._lock = threading.Lock()
        self._has_reported = False
        self._began, now = time.monotonic(), datetime.now(UTC)
        self._earlier: list[HistoryEntry] = []
        try:
            self._earlier = read_history(storage)
        except ValueError as error:
            notify(f"{error}; it is renamed to {_DAMAGED_FILE}")
            self._try(lambda: storage.write(_DAMAGED_FILE, storage.read(HISTORY_FILE)))
        except (OSError, pa.ArrowException) as error:
            self._report(error)
        started = now.isoformat(timespec="seconds")
        self._entry = replace(opening, driver=_driver(), metatrain=_version(), started=started)
        self.write()

    def note(self, step: int, places: Sequence[Place]) -> None:
        """Note the outer steps done and the places of the actors, for the next `write`."""
        counts = Counter(place.host for place in places)
        most = {
            host: max(counts[host], self._entry.actors.get(host, 0))
            for host in sorted({*counts, *self._entry.actors})
        }
        self._entry = replace(self._entry, last_step=step, actors=most)

    def end(self, how: str) -> None:
        """Note how the run ended; the last call counts."""
        self._entry = replace(self._entry, ended=how)

    def write(self) -> None:
        """Write the file. May be called in another thread than `note`; raises no OSError."""
        with self._lock:
            now = datetime.now(UTC)
            entry = replace(
                self._entry,
                seen=now.isoformat(timespec="seconds"),
                seconds=round(time.monotonic() - self._began, 1),
            )
            entries = [asdict(opening) for opening in (*self._earlier, entry)]
            content = dumps(entries, indent=1).encode()
            self._try(lambda: self._storage.write(HISTORY_FILE, content))

    def close(self) -> None:
        """Write the file for the last time."""
        self._has_reported = True  # a full disk has been reported by others
        self.end(self._entry.ended or "closed")
        self.write()

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, pa.ArrowException) as error:
            self._report(error)

    def _report(self, error: BaseException) -> None:
        if not self._has_reported:
            self._has_reported = True
            place = self._storage.place(HISTORY_FILE)
            self._notify(f"{place} cannot be written: {reason(error)}")


def new_entry(launch: "Launch", command: str, step: int) -> HistoryEntry:
    """Return the entry of a run that is opened after `step` outer steps."""
    workers = launch.config.workers
    return HistoryEntry(
        command=command,
        pool=launch.pool.name,
        first_step=step,
        last_step=step,
        cpus=workers.cpus,
        gpus=workers.gpus,
        gpu_names=list(launch.fingerprint.get("gpus", [])),
    )


def read_history(storage: Storage) -> list[HistoryEntry]:
    """Read the entries, oldest first; an empty list if there is no file, as in older runs.

    Raises:
      ValueError: the file is not one that `RunHistory` wrote.
    """
    if not storage.exists(HISTORY_FILE):
        return []
    place = storage.place(HISTORY_FILE)
    try:
        table = loads(storage.read(HISTORY_FILE))
    except ValueError as error:
        raise ValueError(f"{place} is not what a run writes (it is not JSON: {error})") from None
    check_version(table, place)
    try:
        entries = TypeAdapter(list[HistoryEntry]).validate_python(table)
        # Older versions measured with a clock that may have been set back.
        return [replace(entry, seconds=max(0.0, entry.seconds)) for entry in entries]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        what = f"{where}: {first['msg']}" if where else first["msg"]
        raise ValueError(f"{place} is not what a run writes ({what})") from None


def _driver() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0)),
    }


def _processor() -> str:
    """Return the name of the processor's model, or its architecture if Linux does not say."""
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            line = next(line for line in cpuinfo if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
    return " ".join(line.partition(":")[2].split())


def _version() -> str:
    try:
        return version("metatrain")
    except PackageNotFoundError:  # run from a clone
        return ""
