"""Rows of one's own table, made what the run's own were: standardized, or classes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.adaptation.readers.arrays import as_numbers, checked
from orchestrator.adaptation.readers.numbers import table_file
from orchestrator.adaptation.readers.reader import Columns, Examples, Reader, Role
from workers.settings.given_task import GivenTask
from workers.settings.table_task import TableTask
from workers.tasks.listing import listed
from workers.tasks.scaling import ExampleScaling, Scaling
from workers.tasks.table.columns import Scale
from workers.tasks.table.rows import Rows
from workers.tasks.target_scaling import PER_TASK, scaling_of
from workers.wire.protocol import Array

if TYPE_CHECKING:
    from orchestrator.adaptation.user_tasks import OwnTask


class TableReader(Reader):
    """The columns are the run's own, unless others are named."""

    def __init__(self, task: TableTask, shapes: GivenTask):
        prepared = shapes.preparation
        self._task = task
        self._classes: list[str] | None = prepared["classes"]
        self._features = Scale.from_dict(prepared["features"])
        self._target = Scale.from_dict(prepared["target"]) if prepared["target"] else None
        self._per_task = PER_TASK in prepared
        self._input_shape = shapes.input_shape

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """A table with the run's feature columns; queries need no target.

        Where it has the run's task column, each task is one of its own, as in training.
        """
        path = table_file(source, role)
        names = columns.inputs or self._features.names
        target = columns.target or self._task.target_column
        task = columns.task or self._task.task_column
        rows = Rows(path, [task] if self._classes is None else [task, target])
        self._check_features(rows, names)
        if role == "support":
            rows.check(target, "--target-column")
        if columns.task:
            rows.check(task, "--task-column")
        may_miss = self._task.nulls == "mean"
        values = np.stack([rows.column_of_numbers(name, may_miss) for name in names], axis=1)
        tasks = rows.texts(task) if task in rows.column_names else [""] * len(rows)
        return Examples(
            inputs=self._features.apply(values, str(path)),
            targets=self._read_targets(rows, target, role),
            names=[f"row {row}" for row in range(len(rows))],
            tasks=tasks,
            notes=self._notes(role, task, tasks, bool(columns.task)),
        )

    def inputs(self, given: Any) -> Array:
        """[n, features] in the table's own units: in the order of the run's features, or by name.

        Columns have names in a DataFrame of pandas, a table of Arrow, and a dict of arrays.
        """
        found = as_numbers(_in_order(given, self._features.names), np.float64)
        if self._task.nulls == "mean" and found.shape[1:] == self._input_shape:
            found = np.where(np.isnan(found), self._features.mean, found)
        return self._features.apply(checked(found, self._input_shape), "inputs")

    def targets(self, given: Any) -> Array:
        """[n] in the table's own units, standardized: float32 [n, 1]; float64 if by the task."""
        values = as_numbers(given, np.float64, "targets").reshape(-1, 1)
        if self._per_task:
            return values
        assert self._target is not None
        return self._target.apply(values, "targets")

    def values(self, outputs: Array) -> Array:
        """What the model answers, in the table's own units."""
        return outputs if self._target is None else self._target.undo(outputs)

    def answers(self, task: "OwnTask", outputs: Array) -> Array:
        """In the table's own units."""
        if not self._per_task:
            return self.values(outputs)
        return scaling_of(task.support_targets).undo(outputs)

    def scaling(self, task: "OwnTask") -> ExampleScaling:
        """Features, and a target of numbers, as the table has them."""
        target = None if self._target is None else self._target.scaling
        if self._per_task:
            mean, deviation = scaling_of(task.support_targets)
            target = Scaling(mean[0], deviation[0])
        return ExampleScaling(self._features.scaling, target, fills=self._task.nulls == "mean")

    def _check_features(self, rows: Rows, names: Sequence[str]) -> None:
        for name in names:
            rows.check(name, "--input-column")
        if len(names) != len(self._features.names):
            raise ValueError(
                f"--input-column {', '.join(names)}: the model takes {len(self._features.names)} "
                f"features: {listed(self._features.names, quoted=False)}"
            )

    def _read_targets(self, rows: Rows, name: str, role: Role) -> list[str] | Array | None:
        """None where the source has none: no such column, or an empty one among queries."""
        if name not in rows.column_names or (role == "query" and rows.is_empty(name)):
            return None
        if self._classes is not None:
            return rows.texts(name)
        return self.targets(rows.column_of_numbers(name, False))

    def _notes(self, role: Role, column: str, tasks: Sequence[str], asked: bool) -> list[str]:
        number = len(set(tasks))
        if asked or role == "query" or number < 2:
            return []
        return [f"--support: {number} tasks, told apart by {column!r}; each is adapted to alone"]


def _in_order(given: Any, names: Sequence[str]) -> Any:
    """Columns that have names as an array, in the order of `names`; anything else as it is.

    Raises:
      ValueError: one is missing.
    """
    columns = getattr(given, "column_names", getattr(given, "columns", ()))
    there = list(given if isinstance(given, Mapping) else columns)
    if not any(isinstance(name, str) for name in there):
        return given
    missing = [name for name in names if name not in there]
    if missing:
        raise ValueError(
            f"inputs have no column {missing[0]!r}; the model takes {listed(names, quoted=False)}"
        )
    return np.stack([as_numbers(given[name], np.float64, repr(name)) for name in names], axis=-1)
