"""Encoded images from files, and from table cells that hold bytes or paths."""

import re
import stat
from pathlib import Path
from typing import Any

from workers.wire.errors import DataError

_URL = re.compile(r"(^|/)[a-z][a-z0-9+.-]+:/+[^/]")
#: The size limit of an encoded image: a larger file is not one, or would not fit in memory.
MOST_BYTES = 500_000_000


def content_of(cell: Any, folder: Path) -> bytes | Path | None:
    """Return a cell's encoded image, or its path (relative to `folder`); None if it is empty.

    Hugging Face's datasets write structs {bytes, path}, of which one may be empty.

    Raises:
      TypeError: it is neither.
    """
    if isinstance(cell, dict):
        content = cell.get("bytes")
        cell = content or cell.get("path") or content
    if cell is None or cell == "":
        return None
    if isinstance(cell, bytes):
        return cell
    if isinstance(cell, str):
        return folder / cell
    raise TypeError(type(cell).__name__)


def read_file(path: Path, where: str) -> bytes:
    """Read a file; `where`: its name in errors.

    Raises:
      DataError: it cannot be read, is a pipe or a device, or is too large.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{where}: is not a file but a folder, a pipe or a device")
        check_size(status.st_size, where)
        return path.read_bytes()
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({error.strerror}){_remedy(path)}") from None
    except ValueError:  # a null byte in it
        raise DataError(f"{where}: cannot be read (not a file path)") from None


def _remedy(path: Path) -> str:
    """Word the remedy for a URL, or for a path of another system; "" for any other path."""
    if _URL.search(str(path)):
        return "; a URL is not followed: download the images, and name the files"
    if "\\" in str(path):
        return "; write paths with / in place of \\"
    return ""


def check_size(num_bytes: int, where: str) -> None:
    """Raise DataError for an image that would not fit in memory."""
    if num_bytes > MOST_BYTES:
        raise DataError(
            f"{where}: has {num_bytes / 1e6:.0f} MB; an image has {MOST_BYTES // 10**6} MB at most"
        )
