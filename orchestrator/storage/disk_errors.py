"""Remedies for errors of a filesystem, for use in messages."""

import errno

_REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit on the size of files",
    errno.EACCES: "grant write permission there",
    errno.EPERM: "grant write permission there",
    errno.EROFS: "make it writable",
}


def remedy(error: BaseException) -> str:
    """Return what to do about an error of a filesystem."""
    return _REMEDIES.get(getattr(error, "errno", None) or 0, "fix the cause")


def is_full(error: BaseException) -> bool:
    """Tell whether the disk is full, so that the machine is at fault and not the input."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)


def has_remedy(error: BaseException) -> bool:
    """Tell whether a specific remedy is known for an error."""
    return getattr(error, "errno", None) in _REMEDIES
