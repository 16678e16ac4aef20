"""manifest.json of an exported file: its description, and its checks."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from orchestrator.text.json_text import loads
from workers.settings.user_task_shapes import UserTaskShapes

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
_READABLE = (1,)


class ArtefactRecipe(BaseModel):
    """The recipe that validation chose."""

    inner_lr: float = Field(gt=0, allow_inf_nan=False)
    inner_steps: int = Field(ge=0, le=10_000)


class ArtefactManifest(BaseModel):
    """The manifest of an exported file.

    files: sha256 of each other file in the zip, by name.
    """

    config: dict[str, Any]
    examples: UserTaskShapes
    recipe: ArtefactRecipe
    step: int = Field(ge=0)
    theta_sha256: str
    protocol: dict[str, Any]
    origin: str
    files: dict[str, str]
    loss_digest: str = ""
    backbone_digest: str = ""
    calibration: dict[str, Any] = {}
    support_losses: list[list[float]] = []
    changed_statistics: str = ""


def parse_manifest(path: Path, content: bytes) -> ArtefactManifest:
    """Parse the manifest of the file `path`. Raises ValueError: it is none of this version."""
    try:
        table = loads(content)
        version = table["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise not_exported(path) from None
    if version not in _READABLE or not isinstance(version, int) or isinstance(version, bool):
        raise ValueError(
            f"{path} has format version {version!r}, this metatrain reads "
            f"{', '.join(map(str, _READABLE))}; export the run again with this version, or use the "
            "version that wrote it"
        )
    try:
        return ArtefactManifest.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(
            f"{path}: its {MANIFEST} is not what `metatrain export` writes ({place}: "
            f"{first['msg']}); export the run again"
        ) from None


def not_exported(path: Path, why: str = "") -> ValueError:
    """Build the error for a file that `metatrain export` did not write."""
    return ValueError(
        f"{path} is not a file that `metatrain export` wrote, or it is damaged"
        f"{f' ({why})' if why else ''}; give such a file, or the folder of a run"
    )
