"""A reader of untrusted zip files, which needs no more memory than the file is long."""

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

#: Exceptions of Python's zip reader on damaged or malicious files.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeError,
    ValueError,
)


def read_members(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Read members that are stored without compression or encryption.

    Raises:
      ValueError: names in a few words why they cannot be read.
      KeyError: there is no such member.
      OSError: the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = [archive.getinfo(name) for name in dict.fromkeys(names)]
            for member in wanted:
                _check(member)
            if sum(member.file_size for member in wanted) > path.stat().st_size:
                raise ValueError("its members claim to be larger than the file")
            return {member.filename: archive.read(member) for member in wanted}
    except _UNREADABLE as error:
        words = " ".join(str(error).split())[:200]
        raise ValueError(words or type(error).__name__) from None


def _check(member: zipfile.ZipInfo) -> None:
    if member.flag_bits & 0x1:
        raise ValueError(f"its member {member.filename!r} is encrypted")
    if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
        raise ValueError(f"its member {member.filename!r} is compressed")
