"""One process at a time writes to a folder or a file, and whoever is second is told which one.

A claim is made before the first look at what is there, and kept to the end: what was looked at is
then still so. On a local disk it is a lock of the operating system's, which ends with the process,
however that ends; see `lease` for stores that have no locks.
"""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from orchestrator.storage.owner import Owner, parse_owner, this_process

#: What a folder's claim is called in it.
LOCK = ".metatrain.lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_MOST_TRIES = 100


class HeldError(Exception):
    """Somebody else has the claim. The argument is the `Owner`; None: nobody knows who."""

    def __init__(self, owner: Owner | None):
        super().__init__(owner)
        self.owner = owner

    def __str__(self) -> str:
        return str(self.owner or "another process")


class InUseError(ValueError):
    """What the user named is claimed by another process; says by which."""


class NoLocksError(OSError):
    """The filesystem has no locks."""


class FolderGoneError(OSError):
    """What was claimed is not there any more, or is somebody else's by now."""


class FileLock:
    """A lock file, locked: made here, deleted by `release`.

    It is not the folder itself that is locked: network filesystems lock only what is open for
    writing. A killed process leaves the file behind, and it is in nobody's way.
    """

    def __init__(self, path: Path):
        """Lock `path`; its folder must be there.

        Raises:
          HeldError: it is locked. NoLocksError: it cannot be. OSError: it cannot be written.
        """
        self._path = path
        before = os.stat(path.parent)
        self._descriptor = _locked(path)
        self._dates = before.st_atime_ns, before.st_mtime_ns
        self._made = os.stat(path.parent).st_mtime_ns
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, this_process().to_json().encode(), 0)
        except BaseException:
            self.release()
            raise

    def check(self) -> None:
        """Raise FolderGoneError if the lock file is not this one any more."""
        if not _is_at(self._descriptor, self._path):
            raise FolderGoneError(
                "it is not what was opened any more: it was moved, or deleted while it was open"
            )

    def release(self) -> None:
        """Delete the file, and unlock it.

        A folder in which nothing else has happened gets its date back: a refusal leaves no trace.
        """
        with contextlib.suppress(OSError):
            if _is_at(self._descriptor, self._path):
                untouched = os.stat(self._path.parent).st_mtime_ns == self._made
                os.unlink(self._path)
                if untouched:
                    os.utime(self._path.parent, ns=self._dates)
        os.close(self._descriptor)


def _locked(path: Path) -> int:
    """A descriptor of the file that lies there now, locked."""
    for _ in range(_MOST_TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):  # else its owner has deleted it in between
                return descriptor
        except (BlockingIOError, PermissionError):  # NFS says the one or the other
            owner = parse_owner(os.pread(descriptor, 4096, 0))
            os.close(descriptor)
            raise HeldError(owner) from None
        except OSError as error:
            os.unlink(path)
            os.close(descriptor)
            if error.errno in _NO_LOCKS:
                raise NoLocksError(error.errno, os.strerror(error.errno)) from None
            raise
        os.close(descriptor)
    raise HeldError(None)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
