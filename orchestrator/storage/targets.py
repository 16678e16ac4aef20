"""What a command writes to, opened: claimed before the first look at it, and until the end.

A run's or a sweep's folder, a file of the user's own, or a folder of files; whoever is second is
refused at once, having written nothing.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pyarrow as pa

from orchestrator.storage.claim import FileLock, HeldError, InUseError, NoLocksError
from orchestrator.storage.disk_errors import is_full, remedy
from orchestrator.storage.object_store import reason
from orchestrator.storage.storage import Storage, lock_of, part_of
from workers.wire.errors import MetatrainError

_POLL_S = 0.1
_FILES_OF_RUNS = frozenset(
    [
        *("config.toml", "metrics.jsonl", "metrics.damaged.jsonl", "evaluation.json"),
        *("tasks.parquet", "history.json", "picture.png", "report.html"),
        *("sweep.json", "sweep.parquet", "best.toml"),
    ]
)
_FOLDERS_OF_RUNS = frozenset(["checkpoints", "pictures", "tensorboard", "tune"])


@contextlib.contextmanager
def open_folder(location: str, say: Callable[[str], None] = lambda text: None) -> Iterator[Storage]:
    """The folder of a run or a sweep, which this process alone writes to within.

    Raises:
      InUseError: another process does. ValueError: it cannot be made or written to.
    """
    storage = Storage(location)
    storage.claim(say)
    try:
        yield storage
    finally:
        storage.release()


class NewFile:
    """A file that was not there when it was claimed, and will be whole or not there."""

    def __init__(self, path: Path):
        self.path = path

    def write(self, content: bytes) -> None:
        """Write it.

        Raises:
          ValueError: somebody has put something there. MetatrainError: it cannot be written.
        """
        with writing(self.path):
            try:
                Storage(str(self.path.parent)).write(self.path.name, content, new=True)
            except FileExistsError:
                raise ValueError(f"{self.path} exists; give another file") from None

    def as_folder(self) -> "NewFolder":
        """A folder in its place."""
        return NewFolder(self.path)


@contextlib.contextmanager
def open_file(path: Path, option: str = "", kind: str = "file") -> Iterator[NewFile]:
    """A file that is to be written, and that nobody else writes within.

    Args:
      option: what it was given by; kind: what to give another one of. For the messages.
    Raises:
      ValueError: it is there, its folder is not, it is a run's own, or the folder cannot be
        written to.
      InUseError: another process is about to write it.
    """
    path = path.expanduser()
    said = f"{option} {path}".lstrip()
    if not path.name or not path.absolute().parent.is_dir():
        raise ValueError(f"{said}: {path.absolute().parent} is no folder; make it first")
    check_not_a_runs(path, said)
    with _locked(path, said):
        if os.path.lexists(path):
            raise ValueError(f"{said} exists; give another {kind}")
        yield NewFile(path)


def check_not_a_runs(path: Path, said: str) -> None:
    """Refuse a file that a run or a sweep writes itself, now or later.

    Raises:
      ValueError: `path` would be taken for one; `said` is what was given.
    """
    folder = path.absolute().parent
    if path.name in _FILES_OF_RUNS and _is_run(folder):
        raise ValueError(f"{said}: the run in {folder} writes that file itself; give another file")
    for inside in (folder, *folder.parents):
        if inside.name in _FOLDERS_OF_RUNS and _is_run(inside.parent):
            raise ValueError(f"{said}: {inside} is the run's own; give another folder")


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("history.json", "sweep.json"))


class NewFolder:
    """A folder of files that appears with all of them, or not at all."""

    def __init__(self, path: Path):
        self.path = path
        self._aside = path.with_name(part_of(path.name))

    def write(self, name: str, content: bytes) -> Path:
        """Write a file in it; where it will be. Raises MetatrainError: it cannot be written."""
        with writing(self.path / name):
            Storage(str(self._aside)).write(name, content)
        return self.path / name

    def __enter__(self) -> Self:
        self.__exit__()  # of a process that was killed
        return self

    def publish(self) -> None:
        """Let it appear. Raises MetatrainError: it cannot."""
        with writing(self.path):
            os.rename(self._aside, self.path)

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            aside = Storage(str(self._aside))
            if aside.exists(""):
                aside.delete_dir("")


@contextlib.contextmanager
def open_page(storage: Storage, name: str, wait_s: float = 0.0) -> Iterator[None]:
    """A page that is made anew within, from what is read within: the last one knows most.

    A run's page is made by the run and by `metatrain report`. On an object store it is not claimed:
    there the page that is written last counts.

    Args:
      wait_s: how long to wait for another process that makes it; then it is made all the same.
    Raises:
      InUseError: another process makes it, and there is no waiting. OSError: it cannot be written.
    """
    lock = None
    until = time.monotonic() + wait_s
    while storage.local is not None and lock is None:
        try:
            lock = FileLock(storage.local / lock_of(name))
        except NoLocksError:
            break
        except HeldError as held:
            if not wait_s:
                raise InUseError(
                    f"{storage.place(name)} is being written by {held}; wait for it"
                ) from None
            if time.monotonic() > until:
                break
            time.sleep(_POLL_S)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


@contextlib.contextmanager
def writing(what: object) -> Iterator[None]:
    """Within: an error of the filesystem becomes one line with what, why, and what to do.

    Raises:
      MetatrainError: in its place.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise MetatrainError(
            f"{what} cannot be written: {reason(error)}; {remedy(error)}"
        ) from None


@contextlib.contextmanager
def _locked(path: Path, said: str) -> Iterator[None]:
    try:
        lock = FileLock(path.with_name(lock_of(path.name)))
    except HeldError as held:
        raise InUseError(
            f"{said} is being written by {held}; wait for it, or give another file"
        ) from None
    except NoLocksError:  # the file appears under its name at the end, or is refused there
        yield
        return
    except OSError as error:
        kind = MetatrainError if is_full(error) else ValueError
        raise kind(f"{said} cannot be written: {reason(error)}; {remedy(error)}") from None
    try:
        yield
    finally:
        lock.release()
