"""What a LiteRT file says of itself, in the zip behind it: `metatrain.json`."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.calibration.calibration import Calibration
from orchestrator.storage.archive import read_members
from orchestrator.text.json_text import loads
from workers.settings.user_task_shapes import UserTaskShapes
from workers.wire.errors import DataError

#: Its name, in the zip or in a folder of further assets.
DESCRIPTION = "metatrain.json"
#: The key of what only `metatrain adapt` needs, and the version of that.
FOR_ADAPT, VERSION = "for_metatrain_adapt", 1
# The identifier of a LiteRT file (TensorFlow Lite's), behind the place of its root.
_MAGIC, _AT = b"TFL3", 4
EXPORT_AGAIN = "metatrain export RUN FILE.tflite --format litert"


class ForAdapt(BaseModel):
    """What `metatrain adapt` needs beside the arrays' shapes.

    model_sha256, model_bytes: of the LiteRT model in front of the zip.
    kind, reader: of the run's tasks. reader_settings: those that the reader depends on.
    examples: what the model must know of a task's examples.
    computes_head: whether the head is computed for the file's number of classes.
    classes: of a task; 0 in regression. examples_of_each: of a class, or in all.
    one_by_one: whether a query is predicted by itself.
    scores: the names of the scores that the file computes; none if LiteRT cannot compute them.
    shown_after, closed_form, coverage, false_alarms, calibration, support_losses,
      changed_statistics: see `RunFacts`.
    """

    model_config = ConfigDict(frozen=True)

    model_sha256: str
    model_bytes: int = Field(gt=0)
    kind: str
    reader: str
    reader_settings: dict[str, Any]
    examples: UserTaskShapes
    computes_head: bool
    classes: int = Field(ge=0)
    examples_of_each: int = Field(ge=1)
    one_by_one: bool
    scores: list[str]
    shown_after: list[int]
    closed_form: bool
    coverage: float
    false_alarms: float
    calibration: Calibration | None = None
    support_losses: list[list[float]] = []
    changed_statistics: str = ""

    @property
    def number(self) -> int:
        """All examples of a support set."""
        return max(self.classes, 1) * self.examples_of_each


class FileDescription(BaseModel):
    """The whole description, as far as `metatrain adapt` reads it."""

    model_config = ConfigDict(frozen=True)

    inner_steps: int = Field(ge=0, le=10_000)
    inner_lr: float = Field(gt=0, allow_inf_nan=False)
    origin: str = Field(alias="from")
    protocol: dict[str, Any]
    for_adapt: ForAdapt = Field(alias=FOR_ADAPT)


def is_litert(source: str) -> bool:
    """Tell whether a word names a LiteRT file of this machine, whole or not."""
    path = Path(source).expanduser()
    if "://" in source or not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(_AT + len(_MAGIC))
    return start[_AT:] == _MAGIC or path.suffix.lower() == ".tflite"


def read_description(path: Path) -> dict[str, Any]:
    """Read what a LiteRT file of ours says of itself.

    Raises:
      DataError: it says nothing, or is damaged.
    """
    try:
        about = loads(read_members(path, [DESCRIPTION])[DESCRIPTION])
    except (ValueError, KeyError):
        raise _foreign(path) from None
    if not isinstance(about, dict):
        raise _foreign(path)
    return about


def checked_description(path: Path) -> FileDescription:
    """Read the description of a file that `metatrain adapt` can use.

    Raises:
      DataError: `metatrain export` did not write the file, or another version did.
    """
    about = read_description(path)
    own = about.get(FOR_ADAPT)
    version = own.get("version") if isinstance(own, dict) else None
    if version != VERSION:
        raise DataError(
            f"{path} was exported by {'an older' if own is None else 'another'} version of "
            f"metatrain, and lacks what metatrain adapt needs; export the run again: {EXPORT_AGAIN}"
        )
    try:
        return FileDescription.model_validate(about)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{path}: its {DESCRIPTION} is not what metatrain export writes ({place}: "
            f"{first['msg']}); export the run again: {EXPORT_AGAIN}"
        ) from None


def _foreign(path: Path) -> DataError:
    return DataError(
        f"{path} is not a LiteRT file that metatrain export wrote, or it is damaged; export the "
        f"run: {EXPORT_AGAIN}"
    )
