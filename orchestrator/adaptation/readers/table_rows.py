"""Reader of rows of a user's table, prepared as the run's own: standardized, or classes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.adaptation.readers.arrays import as_numbers, checked
from orchestrator.adaptation.readers.numbers import table_file
from orchestrator.adaptation.readers.reader import Columns, Examples, Reader, Role
from workers.settings.table_task import TableTask
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.listing import listed
from workers.tasks.scaling import ExampleScaling, Scaling
from workers.tasks.table.columns import Scale
from workers.tasks.table.rows import Rows
from workers.tasks.target_scaling import PER_TASK, scaling_of
from workers.wire.protocol import Array

if TYPE_CHECKING:
    from orchestrator.adaptation.user_tasks import UserTask


class TableReader(Reader):
    """A reader of a table with the run's columns, or with others that are named."""

    def __init__(self, task: TableTask, shapes: UserTaskShapes):
        prepared = shapes.preparation
        self._task = task
        self._classes: list[str] | None = prepared["classes"]
        self._features = Scale.from_dict(prepared["features"])
        self._target = Scale.from_dict(prepared["target"]) if prepared["target"] else None
        self._per_task = PER_TASK in prepared
        self._input_shape = shapes.input_shape

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """Read a table with the run's feature columns; queries need no target.

        If it has the run's task column, tasks are told apart by it, as in training.
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

    def inputs(self, values: Any) -> Array:
        """Standardize features in the table's units.

        Args:
          values: [n, features], in the order of the run's features; or columns by name, in a
            pandas DataFrame, an Arrow table or a dict of arrays.
        """
        numbers = as_numbers(_in_order(values, self._features.names), np.float64)
        if self._task.nulls == "mean" and numbers.shape[1:] == self._input_shape:
            numbers = np.where(np.isnan(numbers), self._features.mean, numbers)
        return self._features.apply(checked(numbers, self._input_shape), "inputs")

    def targets(self, values: Any) -> Array:
        """Standardize targets [n] in the table's units: float32 [n, 1].

        If targets are scaled by the task, return them unscaled, float64 [n, 1].
        """
        numbers = as_numbers(values, np.float64, "targets").reshape(-1, 1)
        if self._per_task:
            return numbers
        assert self._target is not None
        return self._target.apply(numbers, "targets")

    def values(self, outputs: Array) -> Array:
        """Convert targets to the table's units."""
        return outputs if self._target is None else self._target.undo(outputs)

    def answers(self, task: "UserTask", outputs: Array) -> Array:
        """Convert outputs to the table's units."""
        if not self._per_task:
            return self.values(outputs)
        return scaling_of(task.support_targets).undo(outputs)

    def scored(self, task: "UserTask") -> Array | None:
        """See `Reader.scored`."""
        targets = task.query_targets
        if targets is None or not self._per_task:
            return targets
        return scaling_of(task.support_targets).apply(targets)

    def scaling(self, task: "UserTask") -> ExampleScaling:
        """Return the scaling of the features, and of a target of numbers."""
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
        """Read the targets; None if there is no such column, or an empty one among queries."""
        if name not in rows.column_names or (role == "query" and rows.is_empty(name)):
            return None
        if self._classes is not None:
            return rows.texts(name)
        return self.targets(rows.column_of_numbers(name, False))

    def _notes(self, role: Role, column: str, tasks: Sequence[str], is_named: bool) -> list[str]:
        number = len(set(tasks))
        if is_named or role == "query" or number < 2:
            return []
        return [f"--support: {number} tasks, told apart by {column!r}; the model adapts to each"]


def _in_order(values: Any, names: Sequence[str]) -> Any:
    """Stack named columns in the order of `names`; return anything else unchanged.

    Raises:
      ValueError: a column is missing.
    """
    columns = getattr(values, "column_names", getattr(values, "columns", ()))
    available = list(values if isinstance(values, Mapping) else columns)
    if not any(isinstance(name, str) for name in available):
        return values
    missing = [name for name in names if name not in available]
    if missing:
        raise ValueError(
            f"inputs have no column {missing[0]!r}; the model takes {listed(names, quoted=False)}"
        )
    return np.stack([as_numbers(values[name], np.float64, repr(name)) for name in names], axis=-1)
