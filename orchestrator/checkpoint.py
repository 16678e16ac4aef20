"""MetaState <-> Arrow files and a manifest. No pickle.

`checkpoints/ckpt-<step>/` holds theta.arrow, carry.arrow and optimizer.arrow, Arrow IPC files of
one row with one tensor column per array, and manifest.json, written last: it is the commit. A
reader trusts a checkpoint only if its manifest is there and every file has the size and sha256 that
it names.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from orchestrator.arrow_tensors import decode, encode
from orchestrator.state import MetaState
from orchestrator.storage import Storage
from workers.errors import CheckpointError
from workers.protocol import Array

FORMAT_VERSION = 2
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
        "carry.arrow": encode(list(state.carry.values()), list(state.carry)),
        "optimizer.arrow": encode(list(state.optimizer.values()), list(state.optimizer)),
    }
    table = manifest.as_dict()
    table["files"] = {
        file: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for file, content in files.items()
    }
    for file, content in files.items():
        storage.write(f"{path(name)}/{file}", content)
    table["manifest_sha256"] = _digest(table)
    storage.write(f"{path(name)}/manifest.json", json.dumps(table, indent=1).encode())
    return name


def load(storage: Storage, name: str) -> tuple[MetaState, Manifest]:
    """Read and verify a checkpoint.

    Raises:
      CheckpointError: it is not whole, not what its manifest says, or of another format.
    """
    manifest, contents = _read(storage, name)
    theta, names = decode(contents["theta.arrow"])
    carry, optimizer = (_by_name(contents[file]) for file in ("carry.arrow", "optimizer.arrow"))
    return MetaState(manifest.step, theta, names, carry, optimizer), manifest


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
        if name.startswith("ckpt-") and storage.exists(f"{path(name)}/manifest.json")
    ]


def path(name: str) -> str:
    """The folder of a checkpoint, below the run's."""
    return f"{_FOLDER}/{name}"


def best(storage: Storage) -> tuple[str, dict[str, Any], list[str]]:
    """The whole checkpoint with the best validation score, the earliest of equals.

    Returns:
      its name, its validation record, and one line for each checkpoint that does not verify.
    Raises:
      CheckpointError: no checkpoint verifies, or none of those that do was validated.
    """
    whole, problems = _whole(storage)
    if not whole and problems:
        raise CheckpointError(f"no checkpoint in {storage.location} verifies: {problems[0]}")
    champion = _best(whole)
    if champion is None:
        raise CheckpointError(
            f"{storage.location} holds no validated checkpoint: no step of the run has reached a "
            "validation (evaluation.every)"
        )
    return *champion, problems


def prune(storage: Storage, keep: int) -> None:
    """Delete whole checkpoints but the newest `keep` and the best one. The manifest goes first.

    One that does not verify is left alone: the fault may be in the reading of it.
    """
    whole, _ = _whole(storage)
    champion = _best(whole)
    kept = set(list(whole)[-keep:]) | ({champion[0]} if champion else set())
    for name in whole:
        if name not in kept:
            storage.delete(f"{path(name)}/manifest.json")
            storage.delete_dir(path(name))


def _best(whole: dict[str, Manifest]) -> tuple[str, dict[str, Any]] | None:
    scored = [(name, m.validation) for name, m in whole.items() if m.validation]
    if not scored:
        return None
    return max(scored, key=lambda pair: pair[1]["score"] * pair[1]["sign"])


def _whole(storage: Storage) -> tuple[dict[str, Manifest], list[str]]:
    """The checkpoints that verify, oldest first, and what is wrong with each of the others."""
    whole, problems = {}, []
    for name in names(storage):
        try:
            whole[name], _ = _read(storage, name)
        except CheckpointError as error:
            problems.append(str(error))
    return whole, problems


def _read(storage: Storage, name: str) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and the files' contents, each with the sha256 that the manifest names."""
    table = _read_manifest(storage, name)
    contents = {}
    for file, expected in table.pop("files").items():
        try:
            contents[file] = storage.read(f"{path(name)}/{file}")
        except OSError as error:
            raise CheckpointError(f"{name}/{file} cannot be read: {error}") from None
        if hashlib.sha256(contents[file]).hexdigest() != expected["sha256"]:
            raise CheckpointError(f"{name}/{file} is not what its manifest says (sha256 differs)")
    return Manifest(**table), contents


def _read_manifest(storage: Storage, name: str) -> dict[str, Any]:
    try:
        table = json.loads(storage.read(f"{path(name)}/manifest.json"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{name}/manifest.json cannot be read: {error}") from None
    version = table.get("format_version") if isinstance(table, dict) else None
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{name} has format version {version}, this is {FORMAT_VERSION}")
    if table.pop("manifest_sha256", None) != _digest(table):
        raise CheckpointError(f"{name}/manifest.json is damaged (its own sha256 differs)")
    return table


def _by_name(content: bytes) -> dict[str, Array]:
    values, names = decode(content)
    return dict(zip(names, values, strict=True))


def _digest(table: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def _name(step: int) -> str:
    return f"ckpt-{step:08d}"
