"""The targets that a command writes to: they are claimed before anything is read, and to the end.

A target is the folder of a run or a sweep, a file of the user, or a folder of files. A second
process is refused at once and writes nothing.
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
        *("tasks.parquet", "support_losses.json", "history.json", "picture.png", "report.html"),
        *("sweep.json", "sweep.parquet", "best.toml", "seeds.json"),
        "tracking.json",
    ]
)
_FOLDERS_OF_RUNS = frozenset(["checkpoints", "pictures", "tensorboard", "tune", "wandb"])


@contextlib.contextmanager
def open_folder(location: str, say: Callable[[str], None] = lambda text: None) -> Iterator[Storage]:
    """Open the folder of a run or a sweep, claimed by this process within the context.

    Args:
      say: takes a line for the user about a wait.
    Raises:
      InUseError: another process has claimed it.
      ValueError: it cannot be created or written to.
    """
    storage = Storage(location)
    storage.claim(say)
    try:
        yield storage
    finally:
        storage.release()


class NewFile:
    """A file that did not exist when it was claimed, and that appears whole or not at all."""

    def __init__(self, path: Path):
        self.path = path

    def write(self, content: bytes) -> None:
        """Write the file.

        Raises:
          ValueError: the file exists by now.
          MetatrainError: it cannot be written.
        """
        with writing(self.path):
            try:
                Storage(str(self.path.parent)).write(self.path.name, content, new=True)
            except FileExistsError:
                raise ValueError(f"{self.path} exists; give another file") from None

    def as_folder(self) -> "NewFolder":
        """Return a folder of files at the same path."""
        return NewFolder(self.path)


@contextlib.contextmanager
def open_file(path: Path, option: str = "", kind: str = "file") -> Iterator[NewFile]:
    """Open a file to write, claimed by this process within the context.

    Args:
      option: the command-line option that named it, for the messages.
      kind: what to ask for instead, for the messages.
    Raises:
      ValueError: it exists, its folder does not, it belongs to a run, or the folder cannot be
        written to.
      InUseError: another process is about to write it.
    """
    path = path.expanduser()
    label = f"{option} {path}".lstrip()
    if not path.name or not path.absolute().parent.is_dir():
        raise ValueError(f"{label}: {path.absolute().parent} is not a folder; create it first")
    refuse_run_file(path, label)
    with _locked(path, label):
        if os.path.lexists(path):
            raise ValueError(f"{label} exists; give another {kind}")
        yield NewFile(path)


def refuse_run_file(path: Path, label: str) -> None:
    """Refuse a file that a run or a sweep writes itself, now or later.

    Args:
      label: the option and the path as given, for the message.
    Raises:
      ValueError: `path` belongs to a run or a sweep.
    """
    folder = path.absolute().parent
    if path.name in _FILES_OF_RUNS and _is_run(folder):
        raise ValueError(f"{label}: the run in {folder} writes that file itself; give another file")
    for parent in (folder, *folder.parents):
        if parent.name in _FOLDERS_OF_RUNS and _is_run(parent.parent):
            raise ValueError(f"{label}: {parent} belongs to the run; give another folder")


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("history.json", "sweep.json"))


class NewFolder:
    """A folder of files that appears with all of them, or not at all."""

    def __init__(self, path: Path):
        self.path = path
        self._part = path.with_name(part_of(path.name))

    def write(self, name: str, content: bytes) -> Path:
        """Write a file into the folder, and return its final path.

        Raises:
          MetatrainError: it cannot be written.
        """
        with writing(self.path / name):
            Storage(str(self._part)).write(name, content)
        return self.path / name

    def __enter__(self) -> Self:
        self.__exit__()  # deletes the rest of a killed process
        return self

    def publish(self) -> None:
        """Give the folder its name.

        Raises:
          MetatrainError: it cannot be renamed.
        """
        with writing(self.path):
            os.rename(self._part, self.path)

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            part = Storage(str(self._part))
            if part.exists(""):
                part.delete_dir("")


@contextlib.contextmanager
def open_page(storage: Storage, name: str, wait_s: float = 0.0) -> Iterator[None]:
    """Claim a page within the context, which reads the run and writes the page again.

    The run and `metatrain report` both write a run's page. On an object store the page is not
    claimed: there the last write counts.

    Args:
      wait_s: seconds to wait for another process that writes it; then it is written anyway.
    Raises:
      InUseError: another process writes it, and `wait_s` is 0.
      OSError: it cannot be written.
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
    """Turn an error of the filesystem within the context into one line.

    Args:
      what: what is written, for the message.
    Raises:
      MetatrainError: names what cannot be written, why, and what to do.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise MetatrainError(
            f"{what} cannot be written: {reason(error)}; {remedy(error)}"
        ) from None


@contextlib.contextmanager
def _locked(path: Path, label: str) -> Iterator[None]:
    try:
        lock = FileLock(path.with_name(lock_of(path.name)))
    except HeldError as held:
        raise InUseError(
            f"{label} is being written by {held}; wait for it, or give another file"
        ) from None
    except NoLocksError:  # `write` refuses a file that exists by then
        yield
        return
    except OSError as error:
        kind = MetatrainError if is_full(error) else ValueError
        raise kind(f"{label} cannot be written: {reason(error)}; {remedy(error)}") from None
    try:
        yield
    finally:
        lock.release()
