"""Regression: rows of numbers, such as (x, y) pairs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.adaptation.readers.arrays import as_numbers, checked
from orchestrator.adaptation.readers.reader import Columns, Examples, Reader, Role
from workers.settings.given_task import GivenTask
from workers.tasks.table.rows import Rows
from workers.tasks.table.table_files import FORMS, SUFFIXES
from workers.wire.errors import DataError
from workers.wire.protocol import Array


class NumberReader(Reader):
    """Inputs in the column `x` and targets in `y`, or in those that are named."""

    def __init__(self, task: Any, shapes: GivenTask):
        """`task`: the run's settings of its family; of no use here."""
        self._input_shape, self._num_outputs = shapes.input_shape, shapes.num_outputs

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """A table."""
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
            if targets.shape[1] != self._num_outputs:
                raise DataError(
                    f"{path}: {target!r} holds {targets.shape[1]} numbers a row, the model has "
                    f"{self._num_outputs} outputs"
                )
        found = table.numbers(inputs)
        size = int(np.prod(self._input_shape))
        if found.shape[1] != size:
            raise DataError(
                f"{path}: {', '.join(inputs)} hold {found.shape[1]} numbers a row, the model takes "
                f"{size} (--input-column, once for each column)"
            )
        if columns.task:
            table.check(columns.task, "--task-column")
        return Examples(
            inputs=found.reshape(-1, *self._input_shape),
            targets=targets,
            names=[_name(row, inputs, values) for row, values in enumerate(found)],
            tasks=table.texts(columns.task) if columns.task else [""] * len(table),
        )

    def inputs(self, given: Any) -> Array:
        """[n, *input_shape], or [n] where an input is a single number."""
        found = as_numbers(given, np.float32)
        if found.ndim == 1 and self._input_shape == (1,):
            found = found[:, None]
        return checked(found, self._input_shape)


def table_file(source: str, role: Role) -> Path:
    """A table's path.

    Raises:
      DataError: there is none, or it is no table.
    """
    path = Path(source).expanduser()
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        unsupported = f"is of an unsupported type ({path.suffix or 'no ending'})"
        what = unsupported if path.is_file() else "is no file"
        raise DataError(f"--{role} {source} {what}; give a {FORMS} file")
    return path


def _name(row: int, columns: Sequence[str], values: Array) -> str:
    """By its number, and by what is in it where that is little."""
    if len(columns) > 3 or len(columns) != len(values):
        return f"row {row}"
    pairs = zip(columns, values, strict=True)
    return f"row {row}: " + ", ".join(f"{column} = {value:.4g}" for column, value in pairs)
