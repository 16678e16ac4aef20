"""An Arrow file of one batch with facts about it, written whole, and checked when it is mapped.

The file's name is a hash of all that determines its content.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imports Arrow, which help must not wait for
    import pyarrow as pa

_METADATA = b"metatrain"
#: Identities of files whose content this process has checked against their digest.
_VERIFIED: set[tuple[int, ...]] = set()


def write_batch(file: Path, batch: "pa.RecordBatch", facts: Mapping[str, Any]) -> None:
    """Write a batch under another name, and rename the file.

    Processes that write it at once each rename a whole file.

    Args:
      facts: JSON values about the batch.
    Raises:
      OSError: it cannot be written.
    """
    import pyarrow as pa

    stored = canonical({**facts, "sha256": _facts_digest(file, facts)})
    batch = batch.replace_schema_metadata({_METADATA: stored})
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("xb") as stream:
            with pa.ipc.new_file(stream, batch.schema) as writer:
                writer.write_batch(batch)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class CachedBatch:
    """A mapped batch.

    batch: the batch, of Arrow.
    facts: what `write_batch` was given.
    """

    batch: Any
    facts: dict[str, Any]
    _file: Path
    _identity: tuple[int, ...]

    def check(self, digest: str, compute: Callable[[], str]) -> None:
        """Compare the content with its digest, once in a process.

        Raises:
          ValueError: they differ.
        """
        if self._identity in _VERIFIED:
            return
        if compute() != digest:
            raise ValueError(f"{self._file}: its content differs from what was written")
        _VERIFIED.add(self._identity)


def read_batch(file: Path) -> CachedBatch:
    """Map the batch of a file, and check its facts.

    Raises:
      Exception: whatever Arrow and JSON raise for a missing or damaged file.
    """
    import pyarrow as pa

    if not file.is_file():
        raise FileNotFoundError(file)
    with pa.memory_map(str(file)) as mapped:
        identity = _identity_of(file)
        batch = pa.ipc.open_file(mapped).get_batch(0)
    batch.validate(full=True)
    facts = json.loads((batch.schema.metadata or {})[_METADATA])
    if facts.pop("sha256") != _facts_digest(file, facts):
        raise ValueError(f"{file}: is of other content, or its metadata are damaged")
    return CachedBatch(batch, facts, file, identity)


def canonical(value: object) -> bytes:
    """Write a JSON value so that equal values have equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _identity_of(file: Path) -> tuple[int, ...]:
    """Identify the version of a file: it changes when the file is written or replaced."""
    status = file.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _facts_digest(file: Path, facts: Mapping[str, Any]) -> str:
    """Hash a file's facts with its name, which identifies its content."""
    return hashlib.sha256(canonical([file.name, facts])).hexdigest()
