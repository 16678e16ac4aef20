"""Leases: claims on stores without locks, made of objects that name who wants or has a folder.

pyarrow cannot write an object on condition that it does not exist. So each claimant writes an
object of its own and then lists all of them. This excludes others as long as a listing shows all
earlier writes, as S3, GCS and Azure guarantee: of two claimants that start at once, the later one
sees the earlier one, and gives up if that one has the folder or the smaller name.

The owner writes a heartbeat every few seconds. An owner on this machine whose process has ended is
ignored at once. An owner on another machine is watched, and counts as gone after LEASE_S without a
heartbeat. Hence a process that is stopped for longer loses the folder, and fails at its next write.
"""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyarrow import fs

from orchestrator.storage.claim import LOCK, FolderGoneError, HeldError
from orchestrator.storage.owner import Owner, parse_owner, this_process

BEAT_S, LEASE_S = 10.0, 60.0
_POLL_S = 0.2
# Leases that this process has released; the store may have failed to delete their objects.
_RELEASED: set[str] = set()


@dataclass(frozen=True, slots=True)
class _Claimant:
    """A claimant of the folder.

    name: name of its object. owner: its process, None if unknown.
    has_it: whether it has the folder, rather than wants it.
    beat: number of its last heartbeat.
    written: when its object was written, by the store's clock; None if unknown.
    """

    name: str
    owner: Owner | None
    has_it: bool
    beat: int
    written: float | None


class Lease:
    """A claim on a folder; a thread writes heartbeats until `release`."""

    def __init__(self, filesystem: Any, root: str, say: Callable[[str], None] = lambda text: None):
        """Claim the folder `root`, which exists if the filesystem has folders.

        Args:
          filesystem: pyarrow's filesystem.
          say: takes a line for the user if another owner must be watched, which takes a while.
        Raises:
          HeldError: another process has the folder.
          OSError: the store cannot be written to.
        """
        self._files, self._root, self._say = filesystem, root, say
        self._name = f"{LOCK}.{uuid.uuid4().hex}"
        self._owner, self._beat = this_process(), 0
        self._first_seen: dict[str, tuple[int, float, float]] = {}
        self._over, self._lost = threading.Event(), False
        try:
            self._put(has_it=False)
            written = _now()
            while not self._is_my_turn():
                time.sleep(_POLL_S)
                if _now() - written > BEAT_S:  # otherwise others would ignore it while it waits
                    written, self._beat = _now(), self._beat + 1
                    self._put(has_it=False)
            self._put(has_it=True)
        except BaseException:
            self._delete(self._name)
            raise
        self._last_beat = _now()
        self._thread = threading.Thread(target=self._write_heartbeats, name="claim", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Check that the folder is still claimed.

        Raises:
          FolderGoneError: another process may have the folder by now.
        """
        if not self._lost and _now() - self._last_beat > LEASE_S / 2:
            self._write_heartbeat()
        if self._lost:
            raise FolderGoneError(
                f"the claim on it was lost: this process gave no sign of life for {LEASE_S:.0f} s, "
                "or the folder was deleted"
            )

    def release(self) -> None:
        """Release the claim."""
        self._over.set()
        _RELEASED.add(self._name)
        self._thread.join(BEAT_S)  # an object being written would reappear
        self._delete(self._name)

    def _is_my_turn(self) -> bool:
        mine, others = self._claimants()
        waits = False
        for other in others:
            if self._is_gone(other, mine):
                self._delete(other.name)
            elif self._comes_first(other):
                raise HeldError(other.owner)
            else:  # it will give up, or is watched
                waits = True
        return not waits

    def _claimants(self) -> tuple[float | None, list[_Claimant]]:
        """List the other claimants.

        Returns:
          when this claimant's object was written, by the store's clock, and the others.
        """
        mine, others = None, []
        for info in self._files.get_file_info(fs.FileSelector(self._root, allow_not_found=True)):
            if info.base_name == self._name:
                mine = _written(info)
            elif info.base_name.startswith(f"{LOCK}."):
                with contextlib.suppress(FileNotFoundError):  # it is gone
                    others.append(self._read(info))
        return mine, others

    def _read(self, info: Any) -> _Claimant:
        with self._files.open_input_stream(info.path) as stream:
            content = bytes(stream.readall())
        first, _, rest = content.partition(b"\n")
        words = rest.split()
        has_it, beat = (words[0] == b"has", int(words[1])) if len(words) == 2 else (False, 0)
        return _Claimant(info.base_name, parse_owner(first), has_it, beat, _written(info))

    def _is_gone(self, other: _Claimant, mine: float | None) -> bool:
        """Tell whether a claimant gave no heartbeat for LEASE_S, by either clock."""
        if other.name in _RELEASED:
            return True
        if other.owner is not None and other.owner.is_here:
            return other.owner.is_gone
        now = _now()
        beat, seen, age = self._first_seen.get(other.name, (None, 0.0, 0.0))
        if beat is None:
            has_dates = mine is not None and other.written is not None
            age = max(0.0, mine - other.written) if has_dates else 0.0  # type: ignore[operator]
            beat, seen = other.beat, now
            self._first_seen[other.name] = (beat, seen, age)
            if age < LEASE_S and other.has_it:
                self._say(
                    f"{other.owner} had claimed the folder: checking whether it is alive, for up "
                    f"to {LEASE_S - age:.0f} s"
                )
        return beat == other.beat and age + now - seen > LEASE_S

    def _comes_first(self, other: _Claimant) -> bool:
        """Tell whether another claimant surely has the folder, or comes first by name."""
        if not other.has_it:
            return other.name < self._name
        if other.owner is None or other.owner.is_here:
            return True
        return other.beat != self._first_seen[other.name][0]

    def _write_heartbeats(self) -> None:
        while not self._over.wait(BEAT_S) and not self._lost:
            with contextlib.suppress(Exception):  # the store may be away for a while
                self._write_heartbeat()

    def _write_heartbeat(self) -> None:
        path = f"{self._root}/{self._name}"
        if self._files.get_file_info(path).type == fs.FileType.NotFound:
            self._lost = not self._over.is_set()
            return
        self._beat += 1
        self._put(has_it=True)
        self._last_beat = _now()

    def _put(self, has_it: bool) -> None:
        state = f"{'has' if has_it else 'wants'} {self._beat}"
        with self._files.open_output_stream(f"{self._root}/{self._name}") as stream:
            stream.write(f"{self._owner.to_json()}\n{state}\n".encode())

    def _delete(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self._files.delete_file(f"{self._root}/{name}")


def _written(info: Any) -> float | None:
    return info.mtime.timestamp() if info.mtime is not None else None


def _now() -> float:
    """Return seconds on a clock that also runs while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
