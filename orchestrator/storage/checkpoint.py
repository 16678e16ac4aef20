"""MetaState <-> Arrow files and a manifest. No pickle.

`checkpoints/ckpt-<step>/` holds theta.arrow, carry.arrow and optimizer.arrow, Arrow IPC files of
one row with one tensor column per array, and manifest.json, written last: it is the commit. A
reader trusts a checkpoint only if its manifest is there and every file has the size and sha256 that
it names, and theta too.
"""

import contextlib
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from orchestrator.outer.state import MetaState
from orchestrator.storage.arrow_tensors import decode, encode
from orchestrator.storage.manifest import Files, Manifest, digest_of, parse_manifest
from orchestrator.storage.object_store import reason
from orchestrator.storage.storage import Storage
from workers.wire.errors import CheckpointError
from workers.wire.protocol import Array
from workers.wire.tensors import sha256

_FOLDER = "checkpoints"
_NAME = re.compile(r"ckpt-([0-9]{8}|[1-9][0-9]{8,18})")


def save(storage: Storage, state: MetaState, manifest: Manifest) -> str:
    """Write a checkpoint; its name. It does not exist for a reader before it is whole.

    What was there under its name goes first, and what was written if the rest cannot be.
    """
    name = name_of(state.step)
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
    table["manifest_sha256"] = digest_of(table)
    files["manifest.json"] = json.dumps(table, indent=1).encode()
    if storage.exists(f"{path(name)}/manifest.json"):
        storage.delete(f"{path(name)}/manifest.json")
    try:
        for file, content in files.items():
            storage.write(f"{path(name)}/{file}", content)
    except BaseException:
        with contextlib.suppress(OSError):
            delete(storage, name)
        raise
    return name


def delete(storage: Storage, name: str) -> None:
    """Delete a checkpoint, or what is left of one. The manifest goes first."""
    if storage.exists(f"{path(name)}/manifest.json"):
        storage.delete(f"{path(name)}/manifest.json")
    if storage.exists(path(name)):
        storage.delete_dir(path(name))


def load(storage: Storage, name: str) -> tuple[MetaState, Manifest]:
    """Read and verify a checkpoint.

    Raises:
      CheckpointError: it is not whole, not what its manifest says, or of another format.
    """
    manifest, files, _ = _read_manifest(storage, name)
    return _state_of(name, manifest, _read_files(storage, name, files)), manifest


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
        raise none_verifies(storage, problems[0])
    return None


def copy_latest(source: Storage, target: Storage) -> None:
    """Copy the newest checkpoint that verifies.

    Raises:
      CheckpointError: there is none.
    """
    found = load_latest(source)
    if found is None:
        raise CheckpointError(f"{source.location} holds no checkpoint")
    state, manifest, _ = found
    save(target, state, manifest)


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint as it lies there.

    manifest: None if it cannot be trusted. problem: what is wrong with it, "" if it is whole.
    """

    name: str
    manifest: Manifest | None
    size_bytes: int
    problem: str


def survey(storage: Storage) -> list[Found]:
    """Read and verify every checkpoint that was committed, oldest first."""
    return [_look(storage, name) for name in names(storage)]


def names(storage: Storage) -> list[str]:
    """The checkpoints that were committed, oldest first."""
    return [name for name in _folders(storage) if _is_committed(storage, name)]


def unfinished(storage: Storage) -> list[str]:
    """What is left where writing or deleting a checkpoint was cut short: no reader looks at it."""
    return [name for name in _folders(storage) if not _is_committed(storage, name)]


def name_of(step: int) -> str:
    """What the checkpoint of a step is called."""
    return f"ckpt-{step:08d}"


def step_of(name: str) -> int:
    """The step that a checkpoint is called by."""
    return int(name.rpartition("-")[2])


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
    found = survey(storage)
    problems = [each.problem for each in found if each.problem]
    if problems and len(problems) == len(found):
        raise none_verifies(storage, problems[-1])
    whole = {f.name: f.manifest.validation for f in found if f.manifest and not f.problem}
    champion = best_of(whole)
    if champion is None:
        raise CheckpointError(
            f"{storage.location} holds no validated checkpoint: no step of the run has reached a "
            "validation (evaluation.every)"
        )
    return champion, whole[champion], problems


def none_verifies(storage: Storage, newest: str) -> CheckpointError:
    """What is said when every checkpoint is bad; `newest` is what is wrong with the newest one."""
    return CheckpointError(
        f"no checkpoint in {storage.location} verifies: {newest}; put back a copy of one, or train "
        "again elsewhere"
    )


def best_of(validations: dict[str, dict[str, Any]]) -> str | None:
    """The name with the best score, the earliest of equals; None if none was validated."""
    scored = [name for name in sorted(validations, key=step_of) if validations[name]]
    score = {name: validations[name]["score"] * validations[name]["sign"] for name in scored}
    return max(scored, key=lambda name: score[name], default=None)


def _look(storage: Storage, name: str) -> Found:
    try:
        manifest, files, manifest_bytes = _read_manifest(storage, name)
    except CheckpointError as error:
        return Found(name, None, 0, str(error))
    size = manifest_bytes + sum(entry.bytes for entry in files.values())
    try:
        _state_of(name, manifest, _read_files(storage, name, files))
    except CheckpointError as error:
        return Found(name, manifest, size, str(error))
    return Found(name, manifest, size, "")


def _state_of(name: str, manifest: Manifest, contents: dict[str, bytes]) -> MetaState:
    """What the files hold.

    Raises:
      CheckpointError: they cannot be read, or theta is not the one that the manifest names.
    """
    try:
        theta, names = decode(contents["theta.arrow"])
        carry, optimizer = (_by_name(contents[file]) for file in ("carry.arrow", "optimizer.arrow"))
    except (pa.ArrowException, KeyError, TypeError, ValueError):
        raise CheckpointError(f"{name} holds tensors that cannot be read") from None
    if sha256(theta) != manifest.theta_sha256:
        raise CheckpointError(f"{name} holds another theta than its manifest says (theta_sha256)")
    return MetaState(manifest.step, theta, names, carry, optimizer)


def _read_files(storage: Storage, name: str, files: Files) -> dict[str, bytes]:
    """The files' contents, each with the sha256 that the manifest names."""
    contents = {}
    for file, expected in files.items():
        try:
            contents[file] = storage.read(f"{path(name)}/{file}")
        except OSError as error:
            raise CheckpointError(f"{name}/{file} cannot be read: {reason(error)}") from None
        if hashlib.sha256(contents[file]).hexdigest() != expected.sha256:
            raise CheckpointError(f"{name}/{file} is not what its manifest says (sha256 differs)")
    return contents


def _read_manifest(storage: Storage, name: str) -> tuple[Manifest, Files, int]:
    """What vouches for itself and is of its step, the files it names, and how long it is."""
    file = f"{name}/manifest.json"
    try:
        content = storage.read(f"{path(name)}/manifest.json")
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {reason(error)}") from None
    manifest, files = parse_manifest(content, name)
    if name_of(manifest.step) != name:
        raise CheckpointError(
            f"{name} holds step {manifest.step}: it is a copy of another checkpoint; move it away"
        )
    return manifest, files, len(content)


def _folders(storage: Storage) -> list[str]:
    """Those that are called as `name_of` does, by step: what else lies there is the user's."""
    found = [name for name in storage.list(_FOLDER) if _NAME.fullmatch(name)]
    return sorted(found, key=step_of)


def _is_committed(storage: Storage, name: str) -> bool:
    return storage.exists(f"{path(name)}/manifest.json")


def _by_name(content: bytes) -> dict[str, Array]:
    values, names = decode(content)
    return dict(zip(names, values, strict=True))
