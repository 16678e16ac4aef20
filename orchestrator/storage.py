"""A folder on any pyarrow filesystem: a local path, or a URI such as s3://bucket/runs/a."""

import fcntl
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pyarrow import fs


class Storage:
    """Reads and writes whole objects below a root.

    Nothing is renamed or appended, which object stores cannot do; on a local disk each file and
    its folder are fsynced, which pyarrow does not do.

    location: as given. filesystem, root: pyarrow's, and the folder there. local: the folder, where
    it is on a local disk.
    """

    def __init__(self, location: str):
        """`location` is a path or a URI.

        Raises:
          ValueError: pyarrow knows no such filesystem.
        """
        if not location:
            raise ValueError("--out '' names no folder; give a path or a URI")
        self.location = location
        self.local: Path | None = None
        self._claim: int | None = None
        if location.startswith("file://") or "://" not in location:
            self.local = _local_path(location).absolute()
            self.filesystem: Any = fs.LocalFileSystem()
            self.root = str(self.local)
            if self.local.exists() and not self.local.is_dir():
                raise ValueError(f"--out {location} is a file; give a folder")
            return
        try:
            self.filesystem, self.root = fs.FileSystem.from_uri(location)
        except Exception as error:
            raise ValueError(f"--out {location} cannot be opened: {error}") from None

    def claim(self) -> None:
        """Make the root folder, and keep others on this machine from claiming it until `release`.

        Raises:
          ValueError: it cannot be made, or somebody else has claimed it.
        """
        try:
            self.filesystem.create_dir(self.root, recursive=True)
        except OSError as error:
            raise ValueError(f"--out {self.location} cannot be written to: {error}") from None
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
        """Give the claim back. Idempotent; the end of the process does the same."""
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def write(self, name: str, content: bytes) -> None:
        """Write an object whole, durably on a local disk. Folders are made as needed."""
        path = self._path(name)
        self.filesystem.create_dir(str(Path(path).parent), recursive=True)
        with self.filesystem.open_output_stream(path) as stream:
            stream.write(content)
        if self.local is not None:
            _fsync(path)
            _fsync(str(Path(path).parent))

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
        """Delete a folder and what is in it."""
        self.filesystem.delete_dir(self._path(name))

    def delete(self, name: str) -> None:
        """Delete a file."""
        self.filesystem.delete_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root


def _local_path(location: str) -> Path:
    if location.startswith("file://"):
        return Path(unquote(urlsplit(location).path))
    return Path(location).expanduser()


def _fsync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
