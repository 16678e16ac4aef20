"""The settings of the task family of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from workers.settings.losses.loss_task import LossTask
from workers.settings.registry import named
from workers.settings.section import Size, Ways, setting, ways_setting
from workers.settings.split_task import SplitTask
from workers.settings.task import Progress, Tables

if TYPE_CHECKING:
    from workers.tasks.family import TaskFamily

#: The default folder of decoded images.
DEFAULT_CACHE = "~/.cache/metatrain"


class ImagesTask(SplitTask, LossTask):
    """N-way K-shot classification of images."""

    gives = frozenset({"images"})
    family = "workers.tasks.images.family:ImagesFamily"
    losses = ("cross_entropy",)
    scored = frozenset({"classes"})
    pictures = ("image_episode",)
    feature_family = "workers.backbone.stored_features:StoredFeatures"
    reader = "images"
    data = ("path", "split_file")
    members = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
    unset_data = "omniglot"
    takes_ranges = True
    defaults: ClassVar[Tables] = {
        "task": {"queries": 5, "image_size": "auto", "channels": "auto"},
        "model": {"kind": "conv4", "filters": 64, "readout": "mean"},
        "algorithm": {"kind": "maml", "inner_lr": 0.4, "inner_steps": 1},
        "outer": {
            "optimizer": "adam",
            "lr": 3e-3,
            "schedule": "cosine",
            "meta_batch_size": 16,
            "steps": 2000,
        },
        "evaluation": {
            "validation_tasks": 100,
            "inner_steps": [1, 3, 5],
            "inner_lr": [0.1, 0.2, 0.4, 1.0, 3.0],
        },
    }

    kind: Literal["images"] = "images"
    path: str | tuple[str, ...] | None = setting(
        None,
        "a zip or folder of CLASS/IMAGE files, a CSV or Parquet file, several of them, or a folder "
        "holding Omniglot's zips; unset: the data folder's omniglot/",
        bits=False,
        place="here",
    )
    image_column: str = setting(
        "image", "Parquet: the column of encoded images; CSV: of their paths, relative to it"
    )
    label_column: str | tuple[str, ...] = setting(
        "label", "Parquet, CSV: the class; several columns are joined by '/'"
    )
    ways: Ways | None = ways_setting()
    shots: Size = setting(
        1,
        "support images per class, 1 to 10^5, or a range such as [1, 10], of which each task "
        "draws for each class",
    )
    queries: Size = setting(1, "query images per class, 1 to 10^5, or a range likewise")
    image_size: Annotated[int, Field(ge=4, le=512, strict=True)] | Literal["auto"] = setting(
        28,
        "height and width after resizing, pixels, 4 to 512; auto: the most common size, 16 to 84",
    )
    channels: Literal[1, 3, "auto"] = setting(1, "1 grey, 3 RGB; auto: 3 if any image is in colour")
    invert: bool = setting(False, "swap black and white, so that ink is 1 and paper is 0")
    rotations: Literal["none", "train", "all"] = setting(
        "none", "quarter turns as new classes: none, of the training classes, of all classes"
    )
    small_classes: Literal["refuse", "leave_out"] = setting(
        "refuse",
        "a class with too few different images for shots and queries: an error, or left out",
    )
    train_classes: int | None = setting(
        None, "classes to train on, before rotation, 1 to 10^9; unset: a share", ge=1, le=10**9
    )
    validation_classes: int | None = setting(
        None, "classes to validate on, 1 to 10^9; unset: a share", ge=1, le=10**9
    )
    test_classes: int | None = setting(
        None, "classes to test on, 1 to 10^9; unset: the rest", ge=1, le=10**9
    )
    split_by: Literal["auto", "folders", "seed"] = setting(
        "auto",
        "folders: the source's own train/CLASS, val/CLASS and test/CLASS; seed: counts or shares; "
        "auto: folders where there are such and no counts are set",
        later=True,
    )
    split_seed: int = setting(0, "seed of the split by classes, 0 to 2^32 - 1", ge=0, lt=2**32)
    split_file: str | None = setting(
        None,
        "JSON {'train': [class, ...], 'validation': [...], 'test': [...]} instead of a seed, or a "
        "folder with train, val and test as .txt, .csv or .json",
        bits=False,
        place="here",
    )
    cache: str = setting(
        DEFAULT_CACHE,
        "folder of the decoded images, one file per source",
        bits=False,
        place="here",
    )

    @field_validator("path", "split_file", "cache")
    @classmethod
    def _absolute(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        """Make the path absolute: a run may resume, and actors start, in another folder."""
        if value is None or value == DEFAULT_CACHE:
            return value
        if isinstance(value, str):
            return str(Path(value).expanduser().absolute())
        return tuple(str(Path(path).expanduser().absolute()) for path in value)

    def default_source(self) -> str:
        """See `TaskRecord.default_source`."""
        if self.path is not None:
            return ""
        return str(named("workers.tasks.images.image_sources:default_folder")())

    def open(self, progress: Progress) -> TaskFamily:
        """See `AnyTask.open`; decoding images takes long."""
        family: TaskFamily = named(self.family)(self, progress)
        return family

    def survey(self, progress: Progress) -> tuple[dict[str, Any], list[str]]:
        """See `TaskRecord.survey`."""
        report: tuple[dict[str, Any], list[str]]
        report = named("workers.tasks.images.image_report:survey")(self, progress)
        return report
