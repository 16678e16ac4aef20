"""The settings of the task family of a user's own table."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from workers.settings.groups_task import GroupsTask
from workers.settings.losses.loss_task import WeightedLossTask
from workers.settings.section import Size, setting
from workers.settings.task import Tables


class TableTask(GroupsTask, WeightedLossTask):
    """Regression or classification of the rows of a user's table; a task is a group of rows."""

    gives = frozenset({"numbers"})
    family = "workers.tasks.table.family:TableFamily"
    losses = ("mse", "cross_entropy")
    scored = frozenset({"numbers", "classes"})
    pictures = ("predicted", "confusion")
    reader = "table"
    takes_ranges = True
    data = ("path", "split_file")
    defaults: ClassVar[Tables] = {
        "model": {"kind": "mlp", "hidden": [64, 64]},
        "algorithm": {"kind": "maml", "inner_lr": 0.01, "inner_steps": 5},
        "outer": {
            "optimizer": "adam",
            "lr": 3e-3,
            "schedule": "cosine",
            "meta_batch_size": 25,
            "steps": 3000,
        },
        "evaluation": {
            "inner_steps": [1, 3, 5, 10],
            "inner_lr": [0.001, 0.003, 0.01, 0.03, 0.1],
        },
    }

    kind: Literal["table"] = "table"
    path: str = setting(
        ..., "a .csv, .tsv, .parquet, .arrow or .feather file", bits=False, place="data"
    )
    task_column: str = setting(..., "column that tells tasks apart: subject, station, customer")
    target_column: str = setting(..., "column to predict: numbers, or classes")
    feature_columns: tuple[str, ...] | None = setting(
        None, "columns of numbers to predict from; unset: all other columns of numbers that vary"
    )
    target: Literal["auto", "value", "class"] = setting(
        "auto",
        "kind of the target, a number or a class; auto: a class unless the column is numeric",
    )
    target_scaling: Literal["training", "per_task"] = setting(
        "training",
        "rows that standardize numeric targets: all training rows, or each task's own support "
        "rows, 2 or more, for tasks in different units",
    )
    nulls: Literal["refuse", "mean"] = setting(
        "refuse", "a feature that is missing: an error, or the mean over the training tasks"
    )
    small_tasks: Literal["refuse", "leave_out"] = setting(
        "refuse", "a task with too few rows for shots and queries: an error, or left out"
    )
    shots: Size = setting(
        5,
        "support rows per task, or of each class if there are classes, 1 to 10^5, or a range such "
        "as [1, 10], of which each task draws",
    )
    queries: Size = setting(5, "query rows per task, likewise, 1 to 10^5, or a range")

    @property
    def chance(self) -> float | None:  # type: ignore[override]
        """See `TaskRecord.chance`: a constant answer, the mean over training tasks."""
        return 1.0 if self.target_scaling == "training" else None

    @model_validator(mode="after")
    def _per_task_fits(self) -> Self:
        if self.target_scaling == "per_task" and self.target == "class":
            raise ValueError(
                "task.target_scaling = 'per_task' is for numbers, not for task.target = 'class'; "
                "unset it"
            )
        self.refuse_one_shot(self.shots, "task.shots")
        return self

    def refuse_one_shot(self, shots: Size, setting: str) -> None:
        """Raise ValueError if a support set may have one row, which has no deviation."""
        few = shots[0] if isinstance(shots, tuple) else shots
        if self.target_scaling == "per_task" and few < 2:
            raise ValueError(
                f"{setting} = {list(shots) if isinstance(shots, tuple) else shots} with "
                "task.target_scaling = 'per_task': one support row has no deviation to standardize "
                "by; take 2 or more"
            )

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        if self.task_column == self.target_column:
            raise ValueError(
                f"task.task_column and task.target_column are both {self.task_column!r}; name two"
            )
        features = self.feature_columns or ()
        for column in (self.task_column, self.target_column):
            if column in features:
                raise ValueError(
                    f"task.feature_columns has {column!r}, which is the task's or the target's "
                    "column; leave it out"
                )
        if self.feature_columns is not None and len(set(features)) < max(1, len(features)):
            raise ValueError(
                f"task.feature_columns = {list(features)}: name one or more columns, each once"
            )
        return self
