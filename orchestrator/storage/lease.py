"""A claim on a store that has no locks: objects that say who wants the folder, and who has it.

pyarrow cannot write an object on the condition that it is not there. So each claimant writes one
of its own, and then looks at all of them, which excludes others as long as a listing shows what
was written before it, as S3, GCS and Azure promise: of two that begin at once the later one sees
the earlier one, and goes if that has the folder or the smaller name.

Who has it gives a sign of life every few seconds. An owner on this machine that has ended is
passed over at once. One on another machine is watched: it is gone if there is no sign for
LEASE_S. That is the limit of it: a process that is stopped for longer loses the folder, and ends
with its next write.
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
# Given back by this process, which lives on: its store may have been away.
_RELEASED: set[str] = set()


@dataclass(frozen=True, slots=True)
class _Claimant:
    """One that is there. beat: what changes with each sign of life."""

    name: str
    owner: Owner | None
    has_it: bool
    beat: int
    written: float | None


class Lease:
    """The claim on a folder; signs of life come from a thread until `release`."""

    def __init__(self, filesystem: Any, root: str, say: Callable[[str], None] = lambda text: None):
        """Claim the folder `root`, which is there where folders are made.

        Args:
          say: told that another owner is watched, which takes a while.
        Raises:
          HeldError: somebody has it. OSError: the store cannot be written to.
        """
        self._files, self._root, self._say = filesystem, root, say
        self._name = f"{LOCK}.{uuid.uuid4().hex}"
        self._owner, self._beat = this_process(), 0
        self._first_seen: dict[str, tuple[int, float, float]] = {}
        self._over, self._lost = threading.Event(), False
        try:
            self._put(has_it=False)
            said = _now()
            while not self._is_my_turn():
                time.sleep(_POLL_S)
                if _now() - said > BEAT_S:  # else others would pass it over while it waits
                    said, self._beat = _now(), self._beat + 1
                    self._put(has_it=False)
            self._put(has_it=True)
        except BaseException:
            self._delete(self._name)
            raise
        self._last_beat = _now()
        self._thread = threading.Thread(target=self._live, name="claim", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise FolderGoneError if somebody else may have the folder by now."""
        if not self._lost and _now() - self._last_beat > LEASE_S / 2:
            self._sign()
        if self._lost:
            raise FolderGoneError(
                f"the claim on it was lost: nothing was heard of this process for {LEASE_S:.0f} s, "
                "or the folder was deleted"
            )

    def release(self) -> None:
        """Give it back."""
        self._over.set()
        _RELEASED.add(self._name)
        self._thread.join(BEAT_S)  # what is being written would come back
        self._delete(self._name)

    def _is_my_turn(self) -> bool:
        mine, others = self._claimants()
        waits = False
        for other in others:
            if self._is_gone(other, mine):
                self._delete(other.name)
            elif self._comes_first(other):
                raise HeldError(other.owner)
            else:  # it will go, or is watched
                waits = True
        return not waits

    def _claimants(self) -> tuple[float | None, list[_Claimant]]:
        """When this one was written by the store's clock, and the others."""
        mine, others = None, []
        for info in self._files.get_file_info(fs.FileSelector(self._root, allow_not_found=True)):
            if info.base_name == self._name:
                mine = _written(info)
            elif info.base_name.startswith(f"{LOCK}."):
                with contextlib.suppress(FileNotFoundError):  # it has gone
                    others.append(self._read(info))
        return mine, others

    def _read(self, info: Any) -> _Claimant:
        with self._files.open_input_stream(info.path) as stream:
            content = bytes(stream.readall())
        first, _, rest = content.partition(b"\n")
        said = rest.split()
        has_it, beat = (said[0] == b"has", int(said[1])) if len(said) == 2 else (False, 0)
        return _Claimant(info.base_name, parse_owner(first), has_it, beat, _written(info))

    def _is_gone(self, other: _Claimant, mine: float | None) -> bool:
        """Whether there has been no sign of it for so long, by the store's clock and by ours."""
        if other.name in _RELEASED:
            return True
        if other.owner is not None and other.owner.is_here:
            return other.owner.is_gone
        now = _now()
        beat, seen, age = self._first_seen.get(other.name, (None, 0.0, 0.0))
        if beat is None:
            known = mine is not None and other.written is not None
            age = max(0.0, mine - other.written) if known else 0.0  # type: ignore[operator]
            beat, seen = other.beat, now
            self._first_seen[other.name] = (beat, seen, age)
            if age < LEASE_S and other.has_it:
                self._say(
                    f"{other.owner} had claimed the folder: looking whether it is alive, for up to "
                    f"{LEASE_S - age:.0f} s"
                )
        return beat == other.beat and age + now - seen > LEASE_S

    def _comes_first(self, other: _Claimant) -> bool:
        """Whether it is sure to live and to have the folder, or wants it and is called less."""
        if not other.has_it:
            return other.name < self._name
        if other.owner is None or other.owner.is_here:
            return True
        return other.beat != self._first_seen[other.name][0]

    def _live(self) -> None:
        while not self._over.wait(BEAT_S) and not self._lost:
            with contextlib.suppress(Exception):  # the store may be away for a while
                self._sign()

    def _sign(self) -> None:
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
    """Seconds, those in which the machine sleeps too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
