"""Reader of rows of numbers for regression, such as (x, y) pairs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.adaptation.readers.arrays import as_numbers, checked
from orchestrator.adaptation.readers.reader import Columns, Examples, Reader, Role
from workers.losses.registry import loss_of
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.table.rows import Rows
from workers.tasks.table.table_files import FORMS, SUFFIXES
from workers.wire.errors import DataError
from workers.wire.protocol import Array


class NumberReader(Reader):
    """A reader of inputs in the column `x` and targets in `y`, or in the columns that are named."""

    def __init__(self, task: Any, shapes: UserTaskShapes):
        """Take the shapes of the model; `task`, the settings of the run's family, is not used."""
        self._input_shape, self._loss = shapes.input_shape, loss_of(shapes)
        self._num_targets = shapes.num_outputs // self._loss.outputs_per_target

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """Read a table."""
        path = table_file(source, role)
        inputs, target = columns.inputs or ("x",), columns.target or "y"
        table = Rows(path, [columns.task] if columns.task else [])
        for name in inputs:
            table.check(name, "--input-column")
        if role == "support":
            table.check(target, "--target-column")
        targets = None
        if target in table.column_names:
            targets = table.numbers([target])
            if targets.shape[1] != self._num_targets:
                raise DataError(
                    f"{path}: {target!r} holds {targets.shape[1]} numbers a row, the model has "
                    f"{self._num_targets} outputs"
                )
            self._loss.check_targets(targets)
        numbers = table.numbers(inputs)
        size = int(np.prod(self._input_shape))
        if numbers.shape[1] != size:
            raise DataError(
                f"{path}: {', '.join(inputs)} hold {numbers.shape[1]} numbers a row, the model "
                f"takes {size} (--input-column, once for each column)"
            )
        if columns.task:
            table.check(columns.task, "--task-column")
        return Examples(
            inputs=numbers.reshape(-1, *self._input_shape),
            targets=targets,
            names=[_name(row, inputs, values) for row, values in enumerate(numbers)],
            tasks=table.texts(columns.task) if columns.task else [""] * len(table),
        )

    def inputs(self, values: Any) -> Array:
        """Convert [n, *input_shape], or [n] if an input is a single number."""
        numbers = as_numbers(values, np.float32)
        if numbers.ndim == 1 and self._input_shape == (1,):
            numbers = numbers[:, None]
        return checked(numbers, self._input_shape)


def table_file(source: str, role: Role) -> Path:
    """Return the path of a table.

    Raises:
      DataError: there is no such file, or it is not a table.
    """
    path = Path(source).expanduser()
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        unsupported = f"is of an unsupported type ({path.suffix or 'no ending'})"
        what = unsupported if path.is_file() else "is not a file"
        raise DataError(f"--{role} {source} {what}; give a {FORMS} file")
    return path


def _name(row: int, columns: Sequence[str], values: Array) -> str:
    """Name a row by its number, and by its values if they are few."""
    if len(columns) > 3 or len(columns) != len(values):
        return f"row {row}"
    pairs = zip(columns, values, strict=True)
    return f"row {row}: " + ", ".join(f"{column} = {value:.4g}" for column, value in pairs)
