"""The settings of the task family of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

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
    data = ("path", "test_path", "split_file")
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
    test_path: str | tuple[str, ...] | None = setting(
        None,
        "with mix = false, further data sets: all their classes are the test classes, and all of "
        "`path` but those of validation are trained on; unset: test classes of `path`",
        bits=False,
        place="here",
    )
    mix: bool = setting(
        True,
        "whether a task mixes classes of all paths; false: each path is a data set, and a task's "
        "classes are all of one",
        later=True,
    )
    domain_weights: tuple[Annotated[float, Field(gt=0, strict=True)], ...] | None = setting(
        None,
        "with mix = false, how often training tasks are of each data set of `path`, above 0, in "
        "their order; only ratios count; unset: all equally often",
        later=True,
    )
    image_column: str = setting(
        "image", "Parquet: the column of encoded images; CSV: of their paths, relative to it"
    )
    label_column: str | tuple[str, ...] = setting(
        "label",
        "Parquet, CSV: the class; several columns are joined by '/'; a class of a folder or a zip "
        "is the folder of its images, whatever this says",
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
        "height and width after resizing, pixels, 4 to 512; auto: the median of the shorter sides, "
        "16 to 84",
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

    @field_validator("path", "test_path", "split_file", "cache")
    @classmethod
    def _absolute(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        """Make the path absolute: a run may resume, and actors start, in another folder."""
        if value is None or value == DEFAULT_CACHE:
            return value
        if isinstance(value, str):
            return str(Path(value).expanduser().absolute())
        return tuple(str(Path(path).expanduser().absolute()) for path in value)

    @model_validator(mode="after")
    def _data_sets_fit(self) -> Self:
        """Refuse settings of data sets that no task could follow."""
        named, number = len(self.paths) + len(self.test_paths), len(self.paths)
        for key in ("test_path", "domain_weights") if self.mix else ():
            if getattr(self, key) is not None:
                raise ValueError(
                    f"task.{key} is for tasks that are each of one data set; set task.mix = false, "
                    "or unset it"
                )
        if not self.mix and named < 2:
            raise ValueError(
                "task.mix = false draws each task from one of several data sets, but task.path "
                "names one; name several in a list, or unset task.mix"
            )
        weights = self.domain_weights
        if weights is not None and len(weights) != number:
            raise ValueError(
                f"task.domain_weights has {len(weights)} number{'s' * (len(weights) != 1)}, but "
                f"task.path names {number} data set{'s' * (number != 1)}; give one for each"
            )
        if self.split_file is not None and self.split_by != "auto":
            raise ValueError(
                f"task.split_by = {self.split_by!r} means nothing beside task.split_file, which "
                "lists each split; unset one of them"
            )
        for key in ("test_classes", "split_file") if self.test_paths else ():
            if getattr(self, key) is not None:
                raise ValueError(
                    f"task.{key} is not for task.test_path, whose classes are the test classes; "
                    "unset one of them"
                )
        return self

    @property
    def paths(self) -> tuple[str | None, ...]:
        """The entries of `path`; (None,) if it is unset."""
        return self.path if isinstance(self.path, tuple) else (self.path,)

    @property
    def test_paths(self) -> tuple[str, ...]:
        """The entries of `test_path`; () if it is unset."""
        if self.test_path is None:
            return ()
        return self.test_path if isinstance(self.test_path, tuple) else (self.test_path,)

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
