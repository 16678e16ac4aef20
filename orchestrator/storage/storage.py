"""A folder on any pyarrow filesystem: a local path, or a URI such as s3://bucket/runs/a."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pyarrow import fs

from orchestrator.storage.claim import LOCK, FileLock, HeldError, InUseError, NoLocksError
from orchestrator.storage.disk_errors import is_full, remedy
from orchestrator.storage.lease import Lease
from orchestrator.storage.object_store import open_uri, reason
from orchestrator.text.credentials import check_no_secret
from workers.tasks.pipes import never_ends
from workers.wire.errors import MetatrainError

# A store's name without the slashes: what follows may be a secret, and would name a folder here.
_TYPO = re.compile(r"(s3|gs|gcs|abfss?|hdfs|viewfs|wasbs?|https?|file):(?!//)", re.IGNORECASE)
_PASSING = re.compile(rf"{re.escape(LOCK)}.*|\..+\.(part|lock)")


class Storage:
    """Reads and writes whole objects below a root.

    Object stores cannot rename or append, and need not: an object appears whole. On a local disk a
    file is written beside its place, fsynced and renamed, and its folder fsynced, also after a
    deletion; pyarrow does none of that.

    location: as given. filesystem, root: pyarrow's, and the folder there.
    local: the folder, where it is on a local disk.
    """

    def __init__(self, location: str, filesystem: Any = None):
        """`location` is a path or a URI; `filesystem` is used instead of its own.

        Raises:
          ValueError: the URI holds a secret, pyarrow knows no such filesystem, or it cannot be
            opened.
        """
        if not location:
            raise ValueError("'' names no folder; give a path or a URI")
        check_no_secret("", location)
        if (typo := _TYPO.match(location)) and not os.path.lexists(location):
            raise ValueError(
                f"a URI begins with {typo[1].lower()}://; a folder whose name begins with "
                f"{typo[0]!r} is given as ./{typo[0]}..."
            )
        self.location = location
        self.local: Path | None = None
        self._claim: FileLock | Lease | None = None
        self._new_folders: list[Path] = []
        if location.startswith("file://") or "://" not in location:
            self.local = _local_path(location).absolute()
            self.filesystem: Any = filesystem or fs.LocalFileSystem()
            self.root = str(self.local)
            if self.local.exists() and not self.local.is_dir():
                raise ValueError(f"{location} is a file; give a folder")
            return
        opened, self.root = open_uri(location)
        self.filesystem = filesystem or opened

    @property
    def name(self) -> str:
        """The folder's own."""
        return self.root.rstrip("/").rpartition("/")[2]

    def claim(self, say: Callable[[str], None] = lambda text: None) -> None:
        """Make the root folder, and keep every other process out of it until `release`.

        The first thing that is done with a folder that will be written to, before any look at what
        is in it. From then on `write` makes sure that the folder is still this one.

        Args:
          say: told what is waited for, which happens on object stores alone.
        Raises:
          InUseError: somebody else has claimed it; says who. ValueError: it cannot be made or
            written to. MetatrainError: the disk is full.
        """
        try:
            self._claim = self._lock(say)
        except HeldError as held:
            raise InUseError(
                f"{self.location} is in use by {held}; wait for it, stop it, or give another --out"
            ) from None
        except OSError as error:
            self._remove_new_folders()
            why = f"{self.location} cannot be written to: {reason(error)}"
            if is_full(error):
                raise MetatrainError(f"{why}; {remedy(error)}") from None
            raise ValueError(why) from None

    def release(self) -> None:
        """Give the claim back, and delete folders that it made and nothing was put in.

        Idempotent; the end of the process gives it back too.
        """
        if self._claim is not None:
            self._claim.release()
            self._claim = None
            self._remove_new_folders()

    def _lock(self, say: Callable[[str], None]) -> FileLock | Lease:
        if self.local is None:
            self._make_folder(self.root)
            return Lease(self.filesystem, self.root, say)
        while True:
            self._new_folders += self._make_folder(self.root)
            try:
                return FileLock(self.local / LOCK)
            except NoLocksError:
                return Lease(self.filesystem, self.root, say)
            except FileNotFoundError:  # its owner has just deleted it, since it was new and empty
                continue

    def _remove_new_folders(self) -> None:
        with contextlib.suppress(OSError):  # one holds something
            for folder in reversed(self._new_folders):
                os.rmdir(folder)
        self._new_folders = []

    def place(self, name: str) -> str:
        """Where an object is, for the user."""
        if self.local is not None:
            return f"{self.location}/{name}"
        address, mark, options = self.location.partition("?")
        return f"{address}/{name}{mark}{options}"

    def write(self, name: str, content: bytes, new: bool = False) -> None:
        """Write an object: it is there whole or not at all, and durable on a local disk.

        Folders are made as needed, but for one that was claimed and is gone.

        Args:
          new: take the place of nothing.
        Raises:
          OSError: it cannot be written; what was there is there still, and nothing else.
          FileExistsError: it is `new`, and something is there.
        """
        if self._claim is not None:
            self._claim.check()
        path = self._path(name)
        self._make_folder(str(Path(path).parent))
        if new and self.exists(name):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self.place(name))
        if self.local is None:
            self._put(path, content)
            return
        folder = Path(path).parent
        part = f"{folder}/{part_of(Path(path).name)}"
        try:
            with self.filesystem.open_output_stream(part) as stream:
                stream.write(content)
            _fsync(part)
            if not new or not _linked(part, path):
                self.filesystem.move(part, path)
        except BaseException:
            with contextlib.suppress(Exception):
                os.unlink(part)
            raise
        _fsync(folder)

    def _put(self, path: str, content: bytes) -> None:
        """Write an object of a store, whatever signals come: a stream that is closed is published.

        Handlers of signals raise in the main thread.
        """
        if threading.current_thread() is not threading.main_thread():
            with self.filesystem.open_output_stream(path) as stream:
                stream.write(content)
            return
        with ThreadPoolExecutor(1) as other:
            other.submit(self._put, path, content).result()

    def write_changed(self, name: str, content: bytes) -> None:
        """Write an object unless it is there already: a crash could cut it short."""
        if not self.exists(name) or self.read(name) != content:
            self.write(name, content)

    def read(self, name: str) -> bytes:
        """An object, whole. Raises FileNotFoundError; OSError: it is not a file."""
        if self.local is not None and never_ends(path := self._path(name)):
            raise OSError(errno.EINVAL, "not a regular file", path)
        with self.filesystem.open_input_stream(self._path(name)) as stream:
            return bytes(stream.readall())

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name."""
        return self.filesystem.get_file_info(self._path(name)).type != fs.FileType.NotFound

    def list(self, name: str = "") -> list[str]:
        """Names directly below folder `name`, sorted; empty if it is not there.

        Without what is there only while somebody writes: claims, and parts of files.
        """
        selector = fs.FileSelector(self._path(name), allow_not_found=True)
        names = [info.base_name for info in self.filesystem.get_file_info(selector)]
        return sorted(name for name in names if not _PASSING.fullmatch(name))

    def delete_dir(self, name: str) -> None:
        """Delete a folder and what is in it, durably on a local disk."""
        self.filesystem.delete_dir(self._path(name))
        if self.local is not None:
            _fsync(Path(self._path(name)).parent)

    def delete(self, name: str) -> None:
        """Delete a file, durably on a local disk."""
        self.filesystem.delete_file(self._path(name))
        if self.local is not None:
            _fsync(Path(self._path(name)).parent)

    def _make_folder(self, path: str) -> Sequence[Path]:
        """Make a folder and those above it; on a local disk their entries are durable.

        Returns:
          those that were not there, from the top down, on a local disk.
        """
        if self.filesystem.type_name == "s3":  # has none; pyarrow would write an object for each
            return []
        missing: list[Path] = []
        if self.local is not None:
            places = [Path(path), *Path(path).parents]
            missing = list(itertools.takewhile(lambda place: not place.exists(), places))
        self.filesystem.create_dir(path, recursive=True)
        missing.reverse()
        for folder in missing:
            _fsync(folder.parent)
        return missing

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root


def part_of(name: str) -> str:
    """What a file is called on a local disk while it is written."""
    return f".{name}.part"


def lock_of(name: str) -> str:
    """What the claim on a file that is to be written is called, beside it."""
    return f".{name}.lock"


def _linked(part: str, path: str) -> bool:
    """Give a file its name unless that is taken; whether the filesystem can do that.

    Raises:
      FileExistsError: it is taken.
    """
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        return False
    os.unlink(part)
    return True


def _local_path(location: str) -> Path:
    if location.startswith("file://"):
        return Path(unquote(urlsplit(location).path))
    return Path(location).expanduser()


def _fsync(path: str | Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
