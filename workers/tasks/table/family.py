"""A family of tasks from a user's table: a task is a group of rows, such as a customer's."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.losses.choice import choose_loss
from workers.losses.registry import loss_of
from workers.settings.losses.loss_settings import Targets
from workers.settings.section import Size
from workers.settings.table_task import TableTask
from workers.tasks.copies import Copies
from workers.tasks.display_text import DisplayText
from workers.tasks.leaving_out import or_left_out
from workers.tasks.sizes import draw_rows, filled, least, marked, most, real
from workers.tasks.splits import SPLITS, Splits, split_hash, split_names
from workers.tasks.table.columns import Scale, choose_features, is_value, read_target
from workers.tasks.table.row_groups import RowGroups
from workers.tasks.table.rows import Rows
from workers.tasks.table.table_notes import class_note, row_ids, unit_notes
from workers.tasks.target_scaling import PER_TASK, scaled_by_support
from workers.wire.errors import DataError
from workers.wire.protocol import Draw, Episode, Specs, Split

# A protocol lists at most this many names, else their number.
_MOST_NAMES = 12


class TableFamily:
    """Tasks that predict a column of a table from its other columns.

    Features, and in regression targets, are standardized by the rows of the training tasks.
    Classes mean the same in every task: output i is class i of the table's sorted classes.
    """

    digest: str

    def __init__(self, settings: TableTask):
        """Read the table, and split it by tasks.

        Raises:
          DataError: a column is missing, constant or not of numbers, a value is missing or not
            finite, a task has too few rows, or a split has no task.
        """
        self._settings = settings
        rows = _read(settings)
        target, of_row = read_target(rows, settings), rows.texts(settings.task_column)
        classes, self._targets = target.classes, target.values
        indices = None if classes is None else target.values
        self._groups = RowGroups.of(settings.path, of_row, indices, classes)
        self._splits = self._split(split_names(self._groups.names, settings, "tasks"))
        train = self._groups.of_tasks(self._splits["train"])
        self._features = choose_features(rows, settings, train)
        self._inputs = self._features.scale.apply(self._features.values, settings.path)
        self._target: Scale | None = None
        self._per_task = _is_per_task(settings, classes)
        if classes is None:
            remedy = "choose another task.target_column"
            values, names = target.values[:, None], [settings.target_column]
            self._target = Scale.of(values, train, names, settings.path, remedy)
            # Scaling by the task needs all digits; float32 over all tasks would lose some.
            self._targets = values if self._per_task else self._target.apply(values, settings.path)
        self._notes = [*self._count_copies(), *self._read_notes(target.values)]
        self._splits = self._split(self._splits)

        targets: Targets = "numbers" if classes is None else "classes"
        chosen = choose_loss(settings, targets, len(classes or [""]))
        self.loss, self.loss_settings, self.num_outputs = chosen
        self.picture = "predicted" if classes is None else "confusion"
        self.input_shape: tuple[int, ...] = (len(self._features.scale.names),)
        # Classes mean the same in every task: joint training needs no head of its own.
        self.num_train_classes: int | None = None
        self.num_tokens: int | None = None
        self._split_hash = split_hash(self._groups.names, self._splits)
        self.digest = self._hash()

    @property
    def preparation(self) -> dict[str, Any]:
        """The scales and the classes."""
        table = {
            "features": self._features.scale.as_dict(),
            "target": None if self._target is None else self._target.as_dict(),
            "classes": self._groups.classes,
        }
        return {**table, "target": None, PER_TASK: True} if self._per_task else table

    def sample(self, draw: Draw, lo: int, hi: int, shots: Size, queries: Size) -> Specs:
        """Draw rows, by index.

        Returns:
          support_rows, query_rows: int32 [tasks, ways * shots] and [tasks, ways * queries], class
          by class (ways = 1 in regression); all different. See `workers.tasks.sizes`.
        Raises:
          DataError: a task of the split has fewer than shots + queries rows, or targets are
            standardized by a single one.
        """
        self._settings.refuse_one_shot(shots, "evaluation.shots")
        tasks = self._splits[draw.split]
        self._check_sizes(draw.split, least(shots) + least(queries))
        support: list[NDArray[np.int32]] = []
        query: list[NDArray[np.int32]] = []
        for index in range(lo, hi):
            rng = draw.generator(index)
            parts = self._groups.rows[tasks[rng.integers(len(tasks))]]
            own, asked = draw_rows(rng, parts, shots, queries)
            support.append(own)
            query.append(asked)
        ways = len(self._groups.classes or [""])
        return {
            "support_rows": np.array(support, np.int32).reshape(hi - lo, ways * most(shots)),
            "query_rows": np.array(query, np.int32).reshape(hi - lo, ways * most(queries)),
        }

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Make inputs float32 [tasks, rows, features], and targets int32 or float32 [.., 1]."""
        arrays = []
        for name in ("support_rows", "query_rows"):
            rows = np.asarray(specs[name])
            chosen = filled(rows)
            arrays += [self._inputs[chosen], marked(self._targets[chosen], rows)]
        episode = Episode(*arrays)
        return scaled_by_support(episode) if self._per_task else episode

    def showcase(self, specs: Specs) -> Specs:
        """Return the specs unchanged: the picture shows the measured queries."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """Name tasks by their groups of rows."""
        return self._groups.names_of(np.asarray(specs["support_rows"], np.int32)[:, 0])

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Return the row numbers and the classes; () in regression."""
        classes = self._groups.classes
        if classes is None:
            return ()
        texts = []
        for rows in zip(specs["support_rows"], specs["query_rows"], strict=True):
            support, query = map(_rows, rows)
            texts.append(
                DisplayText(support, [classes] * len(support), query, [classes] * len(query))
            )
        return texts

    def protocol(self, split: Split) -> dict[str, Any]:
        """Return the source of the rows, the split of tasks, and the unit of the loss."""
        table: dict[str, Any] = {
            "tasks_from": f"{Path(self._settings.path).name}, by {self._settings.task_column!r}",
            "split_hash": self._split_hash,
            "different_tasks": len(self._splits[split]),
            "features": _named(self._features.scale.names),
            "target": self._settings.target_column,
            "data_digest": self.digest,
        }
        if self._target is None:
            table["classes"] = _named(self._groups.classes or [])
        elif self._per_task:
            unit = "the standard deviation of the task's own support targets"
            table["unit_of_the_loss"] = loss_of(self).unit(unit)
        else:
            unit = f"{self._target.sd[0]:.4g}, the target's standard deviation over training tasks"
            table["unit_of_the_loss"] = loss_of(self).unit(unit)
        return table

    def describe(self) -> dict[str, Any]:
        """Describe the table and its split."""
        groups, scale = self._groups, self._features.scale
        sizes = [sum(map(len, parts)) for parts in groups.rows]
        table: dict[str, Any] = {
            "source": groups.source,
            "rows": sum(sizes),
            "tasks": len(sizes),
            "rows_per_task": [min(sizes), max(sizes)],
            "features": list(scale.names),
            "columns_left_out": self._features.left_out or "none",
            "target": self._settings.target_column,
        }
        if self._target is None:
            table["classes"] = groups.classes
            table["rows_per_task_and_class"] = [int(groups.fewest.min()), _most(groups)]
        else:
            mean, sd = self._target.mean[0], self._target.sd[0]
            table["target_in_training"] = f"{mean:.4g}, standard deviation {sd:.4g}"
        used = sum(len(self._splits[split]) for split in SPLITS)
        return {
            **table,
            **{f"{split}_tasks": len(self._splits[split]) for split in SPLITS},
            "tasks_left_out": len(sizes) - used,
            "split_hash": self._split_hash,
        }

    def notes(self) -> list[str]:
        """Report repeated rows, and numbers that may not be what they seem."""
        return self._notes

    def _count_copies(self) -> list[str]:
        """Count each row once in its task; report the repeated ones."""
        ids, groups = row_ids(self._inputs, self._targets), self._groups
        rows = [np.concatenate(parts) for parts in groups.rows]
        copies = Copies.count(ids, rows, groups.names, self._splits)
        if copies.repeats:
            self._groups = groups.once_each(ids)
        return copies.notes("row", "task", "tasks")

    def _read_notes(self, targets: NDArray[Any]) -> list[str]:
        """Write the notes on units, and on numbers that may be classes."""
        features, name = self._features, self._settings.target_column
        notes = [
            f"the column {column} is left out; write its numbers without a unit or other signs"
            for column in features.left_out
            if "no plain numbers" in column
        ]
        notes += unit_notes(self._groups, features.scale.names, features.values, "feature")
        if self._target is None:
            return notes
        if self._settings.target == "auto":
            notes += class_note(name, targets)
        return notes + unit_notes(self._groups, [name], targets[:, None], "target")

    def _split(self, splits: Splits) -> Splits:
        """Leave small tasks out of the splits, if the settings say so.

        This is done after the split, so that the test tasks do not depend on it.
        """
        settings, groups = self._settings, self._groups
        needed = least(settings.shots) + least(settings.queries)
        leaves_out = settings.small_tasks == "leave_out"
        if leaves_out:
            splits = {s: tasks[groups.fewest[tasks] >= needed] for s, tasks in splits.items()}
        for split, tasks in splits.items():
            if not len(tasks):
                per_class = " of each class" if groups.classes else ""
                size = f" of {needed} or more rows{per_class}" if leaves_out else ""
                raise DataError(
                    f"{groups.source} has {len(groups.names)} tasks (task.task_column = "
                    f"{settings.task_column!r}), and none{size} is left for {split}: every split "
                    f"needs one; set task.train_tasks, task.validation_tasks and task.test_tasks"
                )
        return splits

    def _check_sizes(self, split: Split, needed: int) -> None:
        left = int(np.sum(self._groups.fewest >= needed))
        remedy = "lower shots or queries"
        remedy += or_left_out(left, len(SPLITS), "task.small_tasks", "tasks")
        if self._settings.small_tasks == "leave_out":  # tasks too small for training are gone
            remedy = "lower evaluation.shots or evaluation.queries"
        self._groups.check(self._splits[split], needed, remedy)

    def _hash(self) -> str:
        total = hashlib.sha256(json.dumps(self.preparation, sort_keys=True).encode())
        for array in (self._inputs, self._targets):
            total.update(np.ascontiguousarray(array).tobytes())
        for name, parts in zip(self._groups.names, self._groups.rows, strict=True):
            total.update(json.dumps([name, [len(part) for part in parts]]).encode())
            total.update(b"".join(part.tobytes() for part in parts))
        total.update(self._split_hash.encode())
        return total.hexdigest()


def _read(settings: TableTask) -> Rows:
    """Read the table; tasks, and classes if there are any, are kept as text."""
    columns = {"task_column": settings.task_column, "target_column": settings.target_column}
    text_columns = [settings.task_column]
    if settings.target == "class":
        text_columns.append(settings.target_column)
    rows = Rows(Path(settings.path), text_columns)
    for name, column in columns.items():
        rows.check(column, f"task.{name}")
    if settings.target == "auto" and not is_value(rows, settings):
        rows = Rows(Path(settings.path), columns.values())
    return rows


def _is_per_task(settings: TableTask, classes: Sequence[str] | None) -> bool:
    """Return whether targets are scaled by task. Raises DataError if these are classes."""
    is_per_task = settings.target_scaling == "per_task"
    if is_per_task and classes is not None:
        raise DataError(
            f"task.target_scaling = 'per_task' is for numbers, but {settings.target_column!r} "
            f"of {settings.path} holds classes; unset it"
        )
    return is_per_task


def _rows(rows: Any) -> list[str]:
    return [f"row {row}" for row in real(rows)]


def _named(names: Any) -> str:
    """List the names, or count them if they are many."""
    return ", ".join(names) if len(names) <= _MOST_NAMES else str(len(names))


def _most(groups: RowGroups) -> int:
    return max(len(part) for parts in groups.rows for part in parts)
