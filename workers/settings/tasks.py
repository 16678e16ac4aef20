"""Task families."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from workers.scores import LossName
from workers.settings.environments import GymTask, NavigationTask
from workers.settings.generation_task import GenerationTask
from workers.settings.groups_task import GroupsTask
from workers.settings.inputs import EXAMPLES
from workers.settings.section import setting
from workers.settings.split_task import SplitTask
from workers.settings.task import TaskRecord
from workers.settings.text_tasks import MatchingTask, TextTask

#: Where decoded images are kept, unless the user says otherwise.
DEFAULT_CACHE = "~/.cache/metatrain"


class SinusoidTask(TaskRecord):
    """Regression of sinusoids (Finn et al. 2017, arXiv:1703.03400, section 5.1)."""

    gives = frozenset({"numbers"})
    kind: Literal["sinusoid"] = "sinusoid"
    shots: int = setting(10, "support points per task, 1 to 10^5", ge=1, le=10**5)
    queries: int = setting(10, "query points per task, 1 to 10^5", ge=1, le=10**5)
    amplitude: tuple[float, float] = setting((0.1, 5.0), "range of the amplitude, low < high")
    phase: tuple[float, float] = setting((0.0, float(np.pi)), "range of the phase, radians")
    inputs: tuple[float, float] = setting((-5.0, 5.0), "range of the inputs, low < high")

    @field_validator("amplitude", "phase", "inputs")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError("low must be below high")
        return value


class ImagesTask(SplitTask):
    """N-way K-shot classification of images."""

    gives = frozenset({"images"})
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
    ways: int | None = setting(
        None,
        "classes per task, 2 to 10^5; unset: 5, or what the smallest split has",
        ge=2,
        le=10**5,
    )
    shots: int = setting(1, "support images per class, 1 to 10^5", ge=1, le=10**5)
    queries: int = setting(1, "query images per class, 1 to 10^5", ge=1, le=10**5)
    image_size: Annotated[int, Field(ge=4, le=512, strict=True)] | Literal["auto"] = setting(
        28,
        "height and width after resizing, pixels, 4 to 512; auto: what most images have, 16 to 84",
    )
    channels: Literal[1, 3, "auto"] = setting(
        1, "1 grey, 3 RGB; auto: 3 where any image is in colour"
    )
    invert: bool = setting(False, "exchange black and white, so that ink is 1 on a paper of 0")
    rotations: Literal["none", "train", "all"] = setting(
        "none", "quarter turns as new classes: of no classes, of the training classes, of all"
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
    split_seed: int = setting(0, "seed of the split by classes, 0 to 2^32 - 1", ge=0, lt=2**32)
    split_file: str | None = setting(
        None,
        "JSON {'train': [class, ...], 'validation': [...], 'test': [...]} instead of a seed",
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
        """A run can be resumed, and an actor started, in another working directory."""
        if value is None or value == DEFAULT_CACHE:
            return value
        if isinstance(value, str):
            return str(Path(value).expanduser().absolute())
        return tuple(str(Path(each).expanduser().absolute()) for each in value)


class TableTask(GroupsTask):
    """Regression or classification of rows of one's own table; a task is a group of rows."""

    gives = frozenset({"numbers"})
    kind: Literal["table"] = "table"
    path: str = setting(
        ..., "a .csv, .tsv, .parquet, .arrow or .feather file", bits=False, place="data"
    )
    task_column: str = setting(..., "column that tells tasks apart: subject, station, customer")
    target_column: str = setting(..., "column to predict: numbers, or classes")
    feature_columns: tuple[str, ...] | None = setting(
        None, "columns of numbers to predict from; unset: all others of numbers that vary"
    )
    target: Literal["auto", "value", "class"] = setting(
        "auto", "whether the target is a number or a class; auto: a class unless it is numbers"
    )
    target_scaling: Literal["training", "per_task"] = setting(
        "training",
        "what numbers to predict are standardized by: all training rows, or each task's own "
        "support rows, for tasks in different units",
    )
    nulls: Literal["refuse", "mean"] = setting(
        "refuse", "a feature that is missing: an error, or the mean over the training tasks"
    )
    small_tasks: Literal["refuse", "leave_out"] = setting(
        "refuse", "a task with too few rows for shots and queries: an error, or left out"
    )
    shots: int = setting(
        5, "support rows per task, of each class where there are any, 1 to 10^5", ge=1, le=10**5
    )
    queries: int = setting(5, "query rows per task, likewise, 1 to 10^5", ge=1, le=10**5)

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        if self.task_column == self.target_column:
            raise ValueError(
                f"task.task_column and task.target_column are both {self.task_column!r}; name two"
            )
        named = self.feature_columns or ()
        for taken in (self.task_column, self.target_column):
            if taken in named:
                raise ValueError(
                    f"task.feature_columns has {taken!r}, which is the task's or the target's "
                    "column; features are other ones"
                )
        if self.feature_columns is not None and len(set(named)) < max(1, len(named)):
            raise ValueError(
                f"task.feature_columns = {list(named)}: name one or more columns, each once"
            )
        return self


class GivenTask(TaskRecord):
    """Tasks that are handed over, to be adapted to: what a model must know of their examples."""

    gives = EXAMPLES
    kind: Literal["given"] = "given"
    loss: LossName = setting("mse", "regression, or classification")
    input_shape: tuple[int, ...] = setting(..., "shape of an example")
    num_outputs: int = setting(..., "outputs of the model, 1 to 10^7", ge=1, le=10**7)
    num_train_classes: int | None = setting(
        None, "outputs of `joint`'s head in training", ge=1, le=10**7
    )
    num_tokens: int | None = setting(
        None, "ids that an example may hold, 1 to 10^9; unset: it holds numbers", ge=1, le=10**9
    )
    preparation: dict[str, Any] = setting(
        {}, "what the family makes of a user's examples with: columns, scales, vocabularies"
    )


#: What a run can train on.
TaskSettings = Annotated[
    SinusoidTask
    | ImagesTask
    | TableTask
    | TextTask
    | MatchingTask
    | GenerationTask
    | NavigationTask
    | GymTask,
    Field(discriminator="kind"),
]
