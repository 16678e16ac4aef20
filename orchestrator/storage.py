"""A folder on any pyarrow filesystem: a local path, or a URI such as s3://bucket/runs/a."""

import contextlib
import fcntl
import itertools
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pyarrow import fs

from orchestrator.credentials import check_no_secret
from orchestrator.object_store import open_uri, reason


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
        self.location = location
        self.local: Path | None = None
        self._claim: int | None = None
        self._is_new = False
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

    def claim(self) -> None:
        """Make the root folder, and keep others on this machine from claiming it until `release`.

        On an object store, where a folder is but a name, something is written and deleted.

        Raises:
          ValueError: it cannot be made or written to, or somebody else has claimed it.
        """
        self._is_new = self.local is not None and not os.path.exists(self.local)
        try:
            self._make_folder(self.root)
            if self.local is None:
                self.write(part_of("config.toml"), b"")
                self.delete(part_of("config.toml"))
        except OSError as error:
            raise ValueError(f"{self.location} cannot be written to: {reason(error)}") from None
        if self.local is None:
            return
        descriptor = os.open(self.local, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ValueError(
                f"another process is training in {self.location}; wait for it, stop it, or give "
                "another --out"
            ) from None
        self._claim = descriptor

    def release(self) -> None:
        """Give the claim back, and delete a folder that it made and nothing was put in.

        Idempotent; the end of the process gives it back too.
        """
        if self._claim is None or self.local is None:
            return
        if self._is_new:
            with contextlib.suppress(OSError):  # it holds something
                os.rmdir(self.local)
        os.close(self._claim)
        self._claim = None

    def place(self, name: str) -> str:
        """Where an object is, for the user."""
        if self.local is not None:
            return f"{self.location}/{name}"
        address, mark, options = self.location.partition("?")
        return f"{address}/{name}{mark}{options}"

    def write(self, name: str, content: bytes) -> None:
        """Write an object: it is there whole or not at all, and durable on a local disk.

        Folders are made as needed.
        """
        path = self._path(name)
        self._make_folder(str(Path(path).parent))
        if self.local is None:
            with self.filesystem.open_output_stream(path) as stream:
                stream.write(content)
            return
        folder = Path(path).parent
        part = f"{folder}/{part_of(Path(path).name)}"
        with self.filesystem.open_output_stream(part) as stream:
            stream.write(content)
        _fsync(part)
        self.filesystem.move(part, path)
        _fsync(folder)

    def write_changed(self, name: str, content: bytes) -> None:
        """Write an object unless it is there already: a crash could cut it short."""
        if not self.exists(name) or self.read(name) != content:
            self.write(name, content)

    def read(self, name: str) -> bytes:
        """An object, whole. Raises FileNotFoundError."""
        with self.filesystem.open_input_stream(self._path(name)) as stream:
            return bytes(stream.readall())

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name."""
        return self.filesystem.get_file_info(self._path(name)).type != fs.FileType.NotFound

    def list(self, name: str = "") -> list[str]:
        """Names directly below folder `name`, sorted; empty if it is not there."""
        selector = fs.FileSelector(self._path(name), allow_not_found=True)
        return sorted(info.base_name for info in self.filesystem.get_file_info(selector))

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

    def _make_folder(self, path: str) -> None:
        """Make a folder and those above it; on a local disk their entries are durable."""
        if self.filesystem.type_name == "s3":  # has none; pyarrow would write an object for each
            return
        missing = []
        if self.local is not None:
            places = [Path(path), *Path(path).parents]
            missing = list(itertools.takewhile(lambda place: not place.exists(), places))
        self.filesystem.create_dir(path, recursive=True)
        for folder in reversed(missing):
            _fsync(folder.parent)

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root


def part_of(name: str) -> str:
    """What a file is called on a local disk while it is written."""
    return f".{name}.part"


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
