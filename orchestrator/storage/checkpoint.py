"""Checkpoints: a MetaState as Arrow files and a manifest, without pickle.

`checkpoints/ckpt-<step>/` holds theta.arrow, carry.arrow and optimizer.arrow, Arrow IPC files of
one row with one tensor column per array, and manifest.json. The manifest is written last: it is the
commit. A reader trusts a checkpoint only if its manifest exists and every file, and theta, has the
sha256 that the manifest names.
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
    """Write a checkpoint and return its name.

    It does not exist for a reader before it is complete. A checkpoint of the same name is deleted
    first, and the files written so far are deleted if writing fails.
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
    """Delete a checkpoint, or the rest of one. The manifest is deleted first."""
    if storage.exists(f"{path(name)}/manifest.json"):
        storage.delete(f"{path(name)}/manifest.json")
    if storage.exists(path(name)):
        storage.delete_dir(path(name))


def load(storage: Storage, name: str) -> tuple[MetaState, Manifest]:
    """Read and verify a checkpoint.

    Raises:
      CheckpointError: it is incomplete, differs from its manifest, or has another format.
    """
    manifest, files, _ = _read_manifest(storage, name)
    return _state_of(name, manifest, _read_files(storage, name, files)), manifest


def load_latest(storage: Storage) -> tuple[MetaState, Manifest, list[str]] | None:
    """Load the newest checkpoint that verifies.

    Returns:
      its state, its manifest, and one line for each newer checkpoint that does not verify; None if
      there is no checkpoint.
    Raises:
      CheckpointError: no checkpoint verifies.
    """
    problems: list[str] = []
    for name in reversed(names(storage)):
        try:
            return (*load(storage, name), problems)
        except CheckpointError as error:
            problems.append(str(error))
    if problems:
        raise all_damaged(storage, problems[0])
    return None


def copy_latest(source: Storage, target: Storage) -> None:
    """Copy the newest checkpoint that verifies.

    Raises:
      CheckpointError: there is none.
    """
    latest = load_latest(source)
    if latest is None:
        raise CheckpointError(f"{source.location} holds no checkpoint")
    state, manifest, _ = latest
    save(target, state, manifest)


@dataclass(frozen=True, slots=True)
class CheckpointStatus:
    """The status of a checkpoint in storage.

    name: its name.
    manifest: its manifest, None if it cannot be trusted.
    size_bytes: size of its files.
    problem: what is wrong with it, "" if it is complete.
    """

    name: str
    manifest: Manifest | None
    size_bytes: int
    problem: str


def survey(storage: Storage) -> list[CheckpointStatus]:
    """Read and verify every committed checkpoint, oldest first."""
    return [_status_of(storage, name) for name in names(storage)]


def names(storage: Storage) -> list[str]:
    """List the names of the committed checkpoints, oldest first."""
    return [name for name in _folders(storage) if _is_committed(storage, name)]


def unfinished(storage: Storage) -> list[str]:
    """List the rests of interrupted writes and deletions, which no reader uses."""
    return [name for name in _folders(storage) if not _is_committed(storage, name)]


def name_of(step: int) -> str:
    """Return the name of the checkpoint of a step."""
    return f"ckpt-{step:08d}"


def step_of(name: str) -> int:
    """Return the step in the name of a checkpoint."""
    return int(name.rpartition("-")[2])


def path(name: str) -> str:
    """Return the folder of a checkpoint, relative to the run's."""
    return f"{_FOLDER}/{name}"


def best(storage: Storage) -> tuple[str, dict[str, Any], list[str]]:
    """Find the complete checkpoint with the best validation score, the earliest of equals.

    Returns:
      its name, its validation record, and one line for each checkpoint that does not verify.
    Raises:
      CheckpointError: no checkpoint verifies, or no verified one was validated.
    """
    statuses = survey(storage)
    problems = [status.problem for status in statuses if status.problem]
    if problems and len(problems) == len(statuses):
        raise all_damaged(storage, problems[-1])
    validations = {s.name: s.manifest.validation for s in statuses if s.manifest and not s.problem}
    best_name = best_of(validations)
    if best_name is None:
        raise CheckpointError(
            f"{storage.location} holds no validated checkpoint: no step of the run has reached a "
            "validation (evaluation.every)"
        )
    return best_name, validations[best_name], problems


def all_damaged(storage: Storage, newest_problem: str) -> CheckpointError:
    """Return the error for a run whose checkpoints are all damaged."""
    return CheckpointError(
        f"no checkpoint in {storage.location} verifies: {newest_problem}; restore a copy of "
        "one, or train again in another folder"
    )


def best_of(validations: dict[str, dict[str, Any]]) -> str | None:
    """Return the name with the best score, the earliest of equals; None if none was validated."""
    scored = [name for name in sorted(validations, key=step_of) if validations[name]]
    score = {name: validations[name]["score"] * validations[name]["sign"] for name in scored}
    return max(scored, key=lambda name: score[name], default=None)


def _status_of(storage: Storage, name: str) -> CheckpointStatus:
    try:
        manifest, files, manifest_bytes = _read_manifest(storage, name)
    except CheckpointError as error:
        return CheckpointStatus(name, None, 0, str(error))
    size = manifest_bytes + sum(entry.bytes for entry in files.values())
    try:
        _state_of(name, manifest, _read_files(storage, name, files))
    except CheckpointError as error:
        return CheckpointStatus(name, manifest, size, str(error))
    return CheckpointStatus(name, manifest, size, "")


def _state_of(name: str, manifest: Manifest, contents: dict[str, bytes]) -> MetaState:
    """Decode the state from the contents of the files.

    Raises:
      CheckpointError: they cannot be decoded, or theta differs from the manifest.
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
    """Read the files, and check the sha256 that the manifest names."""
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
    """Read the manifest and check its digest and its step.

    Returns:
      the manifest, the files that it names, and its length in bytes.
    """
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
    """List the folders named as by `name_of`, in order of step; others belong to the user."""
    folders = [name for name in storage.list(_FOLDER) if _NAME.fullmatch(name)]
    return sorted(folders, key=step_of)


def _is_committed(storage: Storage, name: str) -> bool:
    return storage.exists(f"{path(name)}/manifest.json")


def _by_name(content: bytes) -> dict[str, Array]:
    values, names = decode(content)
    return dict(zip(names, values, strict=True))
