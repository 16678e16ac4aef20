"""A folder on any pyarrow filesystem: a local path or a URI such as s3://bucket/runs/a."""

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

# A scheme without its slashes: what follows may be a secret, and would name a local folder.
_TYPO = re.compile(r"(s3|gs|gcs|abfss?|hdfs|viewfs|wasbs?|https?|file):(?!//)", re.IGNORECASE)
_TRANSIENT = re.compile(rf"{re.escape(LOCK)}.*|\..+\.(part|lock)")


class Storage:
    """A folder whose objects are read and written whole.

    Object stores cannot rename or append, and need not: an object appears whole. On a local disk a
    file is written under another name, fsynced and renamed, and its folder is fsynced, also after a
    deletion; pyarrow does none of that.

    location: the path or URI as given.
    filesystem: pyarrow's filesystem.
    root: the folder in that filesystem.
    local: the folder's path, None if it is not on a local disk.
    """

    def __init__(self, location: str, filesystem: Any = None):
        """Open a folder; it need not exist.

        Args:
          location: a path or a URI.
          filesystem: pyarrow's filesystem to use instead of the one of `location`.
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
        """The name of the folder without its path."""
        return self.root.rstrip("/").rpartition("/")[2]

    def claim(self, say: Callable[[str], None] = lambda text: None) -> None:
        """Create the root folder, and exclude every other process from it until `release`.

        Call it before anything in a folder that will be written to is read. From then on `write`
        checks that the folder is still this one.

        Args:
          say: takes a line for the user about a wait, which happens on object stores only.
        Raises:
          InUseError: another process has claimed it; names the process.
          ValueError: it cannot be created or written to.
          MetatrainError: the disk is full.
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
        """Release the claim, and delete the folders that it created if they are empty.

        Idempotent; the end of the process releases it too.
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
            except FileNotFoundError:  # its owner has just deleted it, because it was new and empty
                continue

    def _remove_new_folders(self) -> None:
        with contextlib.suppress(OSError):  # one is not empty
            for folder in reversed(self._new_folders):
                os.rmdir(folder)
        self._new_folders = []

    def place(self, name: str) -> str:
        """Return the path or URI of an object, for the user."""
        if self.local is not None:
            return f"{self.location}/{name}"
        address, mark, options = self.location.partition("?")
        return f"{address}/{name}{mark}{options}"

    def write(self, name: str, content: bytes, new: bool = False) -> None:
        """Write an object: it exists whole or not at all, and is durable on a local disk.

        Folders are created as needed, except a claimed folder that is gone.

        Args:
          name: path below the root.
          new: refuse to replace an existing object.
        Raises:
          OSError: it cannot be written; the previous object stays, and nothing else is left.
          FileExistsError: `new` is set, and the object exists.
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
            if not new or not _try_link(part, path):
                self.filesystem.move(part, path)
        except BaseException:
            with contextlib.suppress(Exception):
                os.unlink(part)
            raise
        _fsync(folder)

    def _put(self, path: str, content: bytes) -> None:
        """Write an object of a store in a thread, where no signal handler raises.

        An exception would close the stream, and a closed stream is published.
        """
        if threading.current_thread() is not threading.main_thread():
            with self.filesystem.open_output_stream(path) as stream:
                stream.write(content)
            return
        with ThreadPoolExecutor(1) as other:
            other.submit(self._put, path, content).result()

    def write_changed(self, name: str, content: bytes) -> None:
        """Write an object unless it has this content already, because a crash could truncate it."""
        if not self.exists(name) or self.read(name) != content:
            self.write(name, content)

    def read(self, name: str) -> bytes:
        """Read a whole object.

        Raises:
          FileNotFoundError: it does not exist. OSError: it is not a file.
        """
        if self.local is not None and never_ends(path := self._path(name)):
            raise OSError(errno.EINVAL, "not a regular file", path)
        with self.filesystem.open_input_stream(self._path(name)) as stream:
            return bytes(stream.readall())

    def exists(self, name: str) -> bool:
        """Tell whether there is a file or folder of this name."""
        return self.filesystem.get_file_info(self._path(name)).type != fs.FileType.NotFound

    def list(self, name: str = "") -> list[str]:
        """List the names directly below folder `name`, sorted; empty if it does not exist.

        Claims and unfinished files are left out.
        """
        selector = fs.FileSelector(self._path(name), allow_not_found=True)
        names = [info.base_name for info in self.filesystem.get_file_info(selector)]
        return sorted(name for name in names if not _TRANSIENT.fullmatch(name))

    def delete_dir(self, name: str) -> None:
        """Delete a folder and its content, durably on a local disk."""
        self.filesystem.delete_dir(self._path(name))
        if self.local is not None:
            _fsync(Path(self._path(name)).parent)

    def delete(self, name: str) -> None:
        """Delete a file, durably on a local disk."""
        self.filesystem.delete_file(self._path(name))
        if self.local is not None:
            _fsync(Path(self._path(name)).parent)

    def _make_folder(self, path: str) -> Sequence[Path]:
        """Create a folder and its parents; on a local disk their entries are durable.

        Returns:
          on a local disk, the folders that did not exist, from the top down.
        """
        if self.filesystem.type_name == "s3":  # no folders; pyarrow would write an object for each
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
    """Return the name of a file on a local disk while it is written."""
    return f".{name}.part"


def lock_of(name: str) -> str:
    """Return the name of the lock file beside a file that will be written."""
    return f".{name}.lock"


def _try_link(part: str, path: str) -> bool:
    """Rename a file unless the new name is taken; return False if the filesystem has no links.

    Raises:
      FileExistsError: the name is taken.
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
