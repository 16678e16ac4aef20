"""history.json: each time that a run was opened, by which command, when, where and how far.

It is for people and for the page: no weight depends on it, and a run goes on without it.
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

NAME = "history.json"
_DAMAGED = "history.damaged.json"


@dataclass(frozen=True, slots=True)
class Opening:
    """One time that a run was open.

    command: as it was typed, without secrets; "" if nobody said. pool: where blocks ran.
    started, seen: UTC, ISO 8601: when it was opened, and when this was written last.
    seconds: between the two, by a clock that nobody sets. driver: {"host", "processor", "cpus"}.
    actors: host -> the most that were there at a time. cpus, gpus: of each actor; gpu_names: their
    models.
    first_step, last_step: outer steps done when it was opened, and when this was written last.
    ended: how; "" while it is open, and for ever if it was killed.
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


class History:
    """Keeps the entry of the run that is open now, after those of earlier times."""

    def __init__(self, storage: Storage, opening: Opening, notify: Callable[[str], None]):
        """Add an entry, and write it.

        A file that cannot be read is kept under another name, and told of. So is that nothing can
        be written, once: the run goes on.
        """
        self._storage, self._notify = storage, notify
        self._lock = threading.Lock()
        self._told = False
        self._began, now = time.monotonic(), datetime.now(UTC)
        self._earlier: list[Opening] = []
        try:
            self._earlier = read_history(storage)
        except ValueError as error:
            notify(f"{error}; it becomes {_DAMAGED}")
            self._try(lambda: storage.write(_DAMAGED, storage.read(NAME)))
        except (OSError, pa.ArrowException) as error:
            self._tell(error)
        started = now.isoformat(timespec="seconds")
        self._entry = replace(opening, driver=_driver(), metatrain=_version(), started=started)
        self.write()

    def note(self, step: int, places: Sequence[Place]) -> None:
        """The run has come so far, with actors in these places; `write` tells it."""
        there = Counter(place.host for place in places)
        most = {
            host: max(there[host], self._entry.actors.get(host, 0))
            for host in sorted({*there, *self._entry.actors})
        }
        self._entry = replace(self._entry, last_step=step, actors=most)

    def end(self, how: str) -> None:
        """The run is over, or left; the last word counts."""
        self._entry = replace(self._entry, ended=how)

    def write(self) -> None:
        """Write it whole. May be called in another thread than `note`; raises no OSError."""
        with self._lock:
            now = datetime.now(UTC)
            entry = replace(
                self._entry,
                seen=now.isoformat(timespec="seconds"),
                seconds=round(time.monotonic() - self._began, 1),
            )
            entries = [asdict(each) for each in (*self._earlier, entry)]
            content = dumps(entries, indent=1).encode()
            self._try(lambda: self._storage.write(NAME, content))

    def close(self) -> None:
        """Write it for the last time."""
        self._told = True  # on a disk that is full others have said so
        self.end(self._entry.ended or "closed")
        self.write()

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, pa.ArrowException) as error:
            self._tell(error)

    def _tell(self, error: BaseException) -> None:
        if not self._told:
            self._told = True
            self._notify(f"{self._storage.place(NAME)} is not kept: {reason(error)}")


def opening(launch: "Launch", command: str, step: int) -> Opening:
    """The entry of a run that is opened after `step` outer steps."""
    workers = launch.config.workers
    return Opening(
        command=command,
        pool=launch.pool.name,
        first_step=step,
        last_step=step,
        cpus=workers.cpus,
        gpus=workers.gpus,
        gpu_names=list(launch.fingerprint.get("gpus", [])),
    )


def read_history(storage: Storage) -> list[Opening]:
    """The entries, the oldest first; none where the file is not there, as in older runs.

    Raises:
      ValueError: it is not what `History` writes.
    """
    if not storage.exists(NAME):
        return []
    place = storage.place(NAME)
    try:
        found = loads(storage.read(NAME))
    except ValueError as error:
        raise ValueError(f"{place} is not what a run writes (it is no JSON: {error})") from None
    check_version(found, place)
    try:
        openings = TypeAdapter(list[Opening]).validate_python(found)
        # Older versions took them from a clock that may have been set back.
        return [replace(opening, seconds=max(0.0, opening.seconds)) for opening in openings]
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
    """The model's name, where Linux tells it."""
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
