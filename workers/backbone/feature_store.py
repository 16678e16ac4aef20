"""The features of a family's stored rows, computed once into an Arrow file that is mapped."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workers.tasks.cached_batch import canonical, read_batch, write_batch
from workers.wire.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The setting of the folder, for errors.
KEY = "model.backbone_cache"


@dataclass(frozen=True, slots=True)
class FeatureStore:
    """Features by row.

    file: the Arrow file that they are mapped from.
    features: float32 [rows, features], read-only.
    digest: sha256 of these numbers.
    facts: what was stored beside them.
    """

    file: Path
    features: NDArray[np.float32]
    digest: str
    facts: Mapping[str, Any]


def open_store(
    file: Path, compute: Callable[[], tuple[NDArray[np.float32], dict[str, Any]]]
) -> FeatureStore:
    """Map the features of `file`; compute them first if it lacks them.

    One process of a machine computes while others wait.

    Args:
      compute: returns the features float32 [rows, features], and facts beside them.
    Raises:
      DataError: the file cannot be written.
    """
    # A missing, truncated or damaged file is computed again; what Arrow raises on one varies.
    with suppress(Exception):
        return _read(file)
    with _alone(file):
        with suppress(Exception):  # another process has written it meanwhile
            return _read(file)
        _write(file, *compute())
    return _read(file)


def check_room(file: Path, num_bytes: int) -> None:
    """Refuse features for which the disk has no room, before hours of computing.

    Raises:
      DataError: names what is needed and what is free.
    """
    free = shutil.disk_usage(file.parent).free
    if free < num_bytes:
        raise DataError(
            f"{KEY}: the features take {num_bytes / 1e9:.2g} GB, and {file.parent} has "
            f"{free / 1e9:.2g} GB free; use --set {KEY}=FOLDER, or a backbone of fewer features"
        )


def _read(file: Path) -> FeatureStore:
    stored = read_batch(file)
    facts = stored.facts
    flat = stored.batch.column("features").values.to_numpy(zero_copy_only=True)
    features = flat.reshape(facts["shape"])
    stored.check(facts["digest"], lambda: _digest(features))
    return FeatureStore(file, features, facts["digest"], facts["beside"])


def _write(file: Path, features: NDArray[np.float32], beside: dict[str, Any]) -> None:
    import pyarrow as pa

    facts = {"shape": features.shape, "digest": _digest(features), "beside": beside}
    column = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), features.shape[1])
    try:
        write_batch(file, pa.record_batch([column], names=["features"]), facts)
    except OSError as error:
        raise _not_written(file, error) from error


def _digest(features: NDArray[np.float32]) -> str:
    total = hashlib.sha256(canonical(list(features.shape)))
    total.update(np.ascontiguousarray(features).data)
    return total.hexdigest()


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Wait until no other process of this machine computes the file.

    On a file system without locks, each process computes its own.

    Raises:
      DataError: the folder cannot be written, which shows before hours of computing.
    """
    lock = file.with_name(f".{file.name}.lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = lock.open("ab")
    except OSError as error:
        raise _not_written(file, error) from error
    with stream:
        with suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _not_written(file: Path, error: OSError) -> DataError:
    return DataError(f"{KEY}: cannot write {file} ({error.strerror}); use --set {KEY}=FOLDER")
