"""Claims: one process at a time writes to a folder or a file.

A claim is made before anything in the folder is read, and kept to the end, so that what was read
stays true. On a local disk it is a lock of the operating system, which ends with the process; see
`lease` for stores without locks.
"""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from orchestrator.storage.owner import Owner, parse_owner, this_process

#: Name of the file, in a folder, by which the folder is claimed.
LOCK = ".metatrain.lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_MOST_TRIES = 100


class HeldError(Exception):
    """The error of a claim that another process holds.

    owner: the holder, None if unknown.
    """

    def __init__(self, owner: Owner | None):
        super().__init__(owner)
        self.owner = owner

    def __str__(self) -> str:
        return str(self.owner or "another process")


class InUseError(ValueError):
    """The error of a location, named by the user, that another process has claimed."""


class NoLocksError(OSError):
    """The error of a filesystem without locks."""


class FolderGoneError(OSError):
    """The error of a claimed folder that is gone, or that another process has claimed."""


class FileLock:
    """A locked lock file: the constructor creates it, `release` deletes it.

    The folder itself cannot be locked: network filesystems lock only what is open for writing. A
    file left behind by a killed process does no harm.
    """

    def __init__(self, path: Path):
        """Lock `path`, whose folder must exist.

        Raises:
          HeldError: another process has locked it.
          NoLocksError: the filesystem has no locks.
          OSError: the file cannot be written.
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
        """Check that the lock file is still this one.

        Raises:
          FolderGoneError: it is not.
        """
        if not _is_at(self._descriptor, self._path):
            raise FolderGoneError(
                "it is no longer what was opened: it was moved or deleted in the meantime"
            )

    def release(self) -> None:
        """Delete the file and unlock it.

        If nothing else has changed in the folder its dates are restored: a refusal leaves no trace.
        """
        with contextlib.suppress(OSError):
            if _is_at(self._descriptor, self._path):
                untouched = os.stat(self._path.parent).st_mtime_ns == self._made
                os.unlink(self._path)
                if untouched:
                    os.utime(self._path.parent, ns=self._dates)
        os.close(self._descriptor)


def _locked(path: Path) -> int:
    """Open and lock the file that is at `path` now; return its descriptor."""
    for _ in range(_MOST_TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):  # otherwise its owner deleted it in between
                return descriptor
        except (BlockingIOError, PermissionError):  # NFS raises either
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
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return os.path.samestat(os.fstat(descriptor), status)
