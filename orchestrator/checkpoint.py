"""MetaState <-> Arrow files and a manifest. No pickle.

`checkpoints/ckpt-<step>/` holds theta.arrow and optimizer.arrow, Arrow IPC files of one row with
one tensor column per array, and manifest.json, written last: it is the commit. A reader trusts a
checkpoint only if its manifest is there and every file has the size and sha256 that it names.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from orchestrator.state import MetaState
from orchestrator.storage import Storage
from workers.errors import CheckpointError
from workers.protocol import Array
from workers.tensors import sha256

FORMAT_VERSION = 1
_FOLDER = "checkpoints"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a checkpoint says of itself.

    bits: the configuration's bit-changing part, dotted; fingerprint: see runtime.fingerprint;
    validation: {"metric", "score", ...} where the step was validated, else empty.
    """

    step: int
    theta_sha256: str
    config: dict[str, Any]
    bits: dict[str, Any]
    bits_sha256: str
    fingerprint: dict[str, Any]
    validation: dict[str, Any]
    format_version: int = FORMAT_VERSION

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def save(storage: Storage, state: MetaState, manifest: Manifest) -> str:
    """Write a checkpoint; its name. It does not exist for a reader before it is whole."""
    name = _name(state.step)
    files = {
        "theta.arrow": encode(state.theta, state.names),
        "optimizer.arrow": encode(state.optimizer, [str(i) for i in range(len(state.optimizer))]),
    }
    table = manifest.as_dict()
    table["files"] = {
        file: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for file, content in files.items()
    }
    for file, content in files.items():
        storage.write(f"{_FOLDER}/{name}/{file}", content)
    storage.write(f"{_FOLDER}/{name}/manifest.json", json.dumps(table, indent=1).encode())
    return name


def load(storage: Storage, name: str) -> tuple[MetaState, Manifest]:
    """Read and verify a checkpoint.

    Raises:
      CheckpointError: it is not whole, not what its manifest says, or of another format.
    """
    table = _read_manifest(storage, name)
    files = table.pop("files")
    contents = {}
    for file, expected in files.items():
        try:
            contents[file] = storage.read(f"{_FOLDER}/{name}/{file}")
        except OSError as error:
            raise CheckpointError(f"{name}/{file} cannot be read: {error}") from None
        if hashlib.sha256(contents[file]).hexdigest() != expected["sha256"]:
            raise CheckpointError(f"{name}/{file} is not what its manifest says (sha256 differs)")
    manifest = Manifest(**table)
    theta, names = decode(contents["theta.arrow"])
    optimizer, _ = decode(contents["optimizer.arrow"])
    state = MetaState(manifest.step, theta, names, optimizer)
    if sha256(theta) != manifest.theta_sha256:
        raise CheckpointError(f"{name}: theta is not what its manifest says (sha256 differs)")
    return state, manifest


def load_latest(storage: Storage) -> tuple[MetaState, Manifest, list[str]] | None:
    """The newest checkpoint that verifies, and one line for each newer one that does not.

    Returns:
      None if there is none at all.
    Raises:
      CheckpointError: there are some, and every one is bad.
    """
    problems: list[str] = []
    for name in reversed(names(storage)):
        try:
            return (*load(storage, name), problems)
        except CheckpointError as error:
            problems.append(str(error))
    if problems:
        raise CheckpointError(f"no checkpoint in {storage.location} verifies: {problems[0]}")
    return None


def names(storage: Storage) -> list[str]:
    """The checkpoints that were committed, oldest first."""
    return [
        name
        for name in storage.list(_FOLDER)
        if name.startswith("ckpt-") and storage.exists(f"{_FOLDER}/{name}/manifest.json")
    ]


def best(storage: Storage) -> tuple[str, dict[str, Any]] | None:
    """The checkpoint with the best validation score (the earliest of equals), and its record."""
    scored = [
        (record["validation"], name)
        for name in names(storage)
        if (record := _read_manifest(storage, name))["validation"]
    ]
    if not scored:
        return None
    validation, name = max(scored, key=lambda pair: pair[0]["score"] * pair[0]["sign"])
    return name, validation


def prune(storage: Storage, keep: int) -> None:
    """Delete all but the newest `keep` and the best one. The manifest goes first."""
    committed = names(storage)
    champion = best(storage)
    kept = set(committed[-keep:]) | ({champion[0]} if champion else set())
    for name in committed:
        if name not in kept:
            storage.delete(f"{_FOLDER}/{name}/manifest.json")
            storage.delete_dir(f"{_FOLDER}/{name}")


def encode(arrays: Sequence[Array], column_names: Sequence[str]) -> bytes:
    """One row, one fixed-shape tensor column per array (a scalar is a tensor of shape [1])."""
    columns, fields = [], []
    for array, name in zip(arrays, column_names, strict=True):
        row = np.ascontiguousarray(array).reshape((1, *array.shape) if array.shape else (1, 1))
        column = pa.FixedShapeTensorArray.from_numpy_ndarray(row)
        scalar = {b"scalar": b"1"} if not array.shape else None
        columns.append(column)
        fields.append(pa.field(name, column.type, metadata=scalar))
    schema = pa.schema(fields)
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, schema) as writer:
        if columns:
            writer.write_batch(pa.record_batch(columns, schema=schema))
    return sink.getvalue()


def decode(content: bytes) -> tuple[list[Array], list[str]]:
    """Inverse of `encode`: the arrays and their names."""
    with pa.ipc.open_file(pa.BufferReader(content)) as reader:
        if not reader.num_record_batches:
            return [], []
        batch = reader.get_batch(0)
    arrays = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        array = column.to_numpy_ndarray()[0].copy()
        arrays.append(array.reshape(()) if field.metadata else array)
    return arrays, list(batch.schema.names)


def _read_manifest(storage: Storage, name: str) -> dict[str, Any]:
    try:
        table = json.loads(storage.read(f"{_FOLDER}/{name}/manifest.json"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{name}/manifest.json cannot be read: {error}") from None
    version = table.get("format_version") if isinstance(table, dict) else None
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{name} has format version {version}, this is {FORMAT_VERSION}")
    return table


def _name(step: int) -> str:
    return f"ckpt-{step:08d}"
