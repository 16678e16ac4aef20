"""The digest of a user's code, by which runs of older versions are still recognized."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_MARK = "+"


class CodeDigest:
    """A sha256 in two parts: of what all versions cover, and of files that older ones did not.

    Those were files of which only constants are imported, or that are imported within a function,
    and for `model.kind = "keras"` all but the file of the model. A run of such a version has the
    first part alone.
    """

    def __init__(self, further: Iterable[Path]):
        """Begin with `further`, the files of the second part."""
        self._first, second = hashlib.sha256(), hashlib.sha256()
        for file in further:
            second.update(hashlib.sha256(file.read_bytes()).digest())
        self._second = second.hexdigest()

    def update(self, content: bytes) -> None:
        """Go on with the first part."""
        self._first.update(content)

    def hexdigest(self) -> str:
        """Return both parts."""
        return f"{self._first.hexdigest()}{_MARK}{self._second}"


def agree(ours: Any, theirs: Any) -> bool:
    """Tell whether two entries of fingerprints are equal; of an older version, its one part."""
    if ours == theirs or not isinstance(ours, str) or not isinstance(theirs, str):
        return bool(ours == theirs)
    (first, mark, _), (other, their_mark, _) = ours.partition(_MARK), theirs.partition(_MARK)
    return mark != their_mark and first == other
