"""manifest.json: the description of a checkpoint, and its checks."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workers.wire.errors import CheckpointError

FORMAT_VERSION = 3
# Version 2 lacks `examples` and `protocol`.
_READABLE = (2, FORMAT_VERSION)
#: Steps are below this number.
MOST_STEPS = 10**18
_FILES = {"theta.arrow", "carry.arrow", "optimizer.arrow"}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of a checkpoint.

    step: outer steps done.
    theta_sha256: sha256 of theta.
    config: the run's configuration.
    bits: the part of the configuration that decides bits, by dotted name.
    bits_sha256: sha256 of that part.
    fingerprint: see `workers.execution.fingerprint`.
    validation: {"metric", "score", ...} if the step was validated, else empty.
    examples: what a model must know of a task's examples, see `UserTaskShapes`; empty in version 2.
    protocol: protocol under which the validated weights were chosen; empty in version 2.
    format_version: version of the format.
    """

    step: int
    theta_sha256: str
    config: dict[str, Any]
    bits: dict[str, Any]
    bits_sha256: str
    fingerprint: dict[str, Any]
    validation: dict[str, Any]
    examples: dict[str, Any] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a table for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class FileEntry(BaseModel):
    """The size and sha256 of a file beside the manifest, as written."""

    model_config = ConfigDict(strict=True)

    bytes: int = Field(ge=0)
    sha256: str


Files = dict[str, FileEntry]


def parse_manifest(content: bytes, name: str) -> tuple[Manifest, Files]:
    """Parse a manifest with its files and its digest.

    Args:
      content: content of manifest.json.
      name: name of the checkpoint, for the messages.
    Raises:
      CheckpointError: it is damaged, or not a manifest of this format.
    """
    file = f"{name}/manifest.json"
    try:
        table = json.loads(content)
        version = table.get("format_version") if isinstance(table, dict) else None
        if version not in _READABLE or not isinstance(version, int):
            raise CheckpointError(
                f"{name} has format version {_short(version)}, this is {FORMAT_VERSION}"
            )
        if table.pop("manifest_sha256", None) != digest_of(table):
            raise CheckpointError(f"{file} is damaged (its own sha256 differs)")
    except RecursionError:
        raise CheckpointError(f"{file} is damaged (it is nested too deeply)") from None
    except ValueError:
        raise CheckpointError(f"{file} is damaged (it is not JSON)") from None
    try:
        checked = _Manifest.model_validate(table)
    except ValidationError as error:
        raise CheckpointError(f"{file} is not one of this metatrain: {_explain(error)}") from None
    if checked.files.keys() != _FILES:
        raise CheckpointError(
            f"{file} is not one of this metatrain: files are {', '.join(checked.files)}; "
            f"{', '.join(sorted(_FILES))} are needed"
        )
    return Manifest(**{key: value for key, value in table.items() if key != "files"}), checked.files


def digest_of(table: dict[str, Any]) -> str:
    """Return the digest that a manifest holds of itself: sha256 of everything else in it."""
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


class _Validation(BaseModel):
    """The checked part of a validation record, which holds more."""

    model_config = ConfigDict(strict=True)

    metric: str
    score: float
    sign: Literal[1, -1]


class _Manifest(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    step: int = Field(ge=0, lt=MOST_STEPS)
    theta_sha256: str
    config: dict[str, Any]
    bits: dict[str, Any]
    bits_sha256: str
    fingerprint: dict[str, Any]
    validation: _Validation | Annotated[dict[str, Any], Field(max_length=0)]
    examples: dict[str, Any] = {}
    protocol: dict[str, Any] = {}
    format_version: int
    files: Files


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = _short(".".join(map(str, first["loc"])))
    if first["type"] == "extra_forbidden":
        return f"the key {key} is unknown; a newer metatrain may have written it"
    return f"{key}: {first['msg']}"


def _short(value: Any) -> str:
    return repr(value)[:40]
