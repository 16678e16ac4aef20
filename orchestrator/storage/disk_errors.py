"""What to do about an error of a filesystem, for the line that tells it."""

import errno

_REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit on the size of files",
    errno.EACCES: "give the right to write there",
    errno.EPERM: "give the right to write there",
    errno.EROFS: "make it writable",
}


def remedy(error: BaseException) -> str:
    """What to do about an error of a filesystem."""
    return _REMEDIES.get(getattr(error, "errno", None) or 0, "set that right")


def is_full(error: BaseException) -> bool:
    """Whether there is no room: what was asked for is right, and the machine is at fault."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)


def has_remedy(error: BaseException) -> bool:
    """Whether it is known what to do about it."""
    return getattr(error, "errno", None) in _REMEDIES
