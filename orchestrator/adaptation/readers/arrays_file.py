"""Examples of any shape: an .npz file of arrays, or a table of numbers."""

from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.adaptation.readers.numbers import NumberReader, table_file
from orchestrator.adaptation.readers.reader import Columns, Examples, Role
from workers.metrics import CLASSIFYING
from workers.settings.given_task import GivenTask
from workers.tasks.table.rows import Rows
from workers.wire.errors import DataError
from workers.wire.protocol import Array

#: The name of no column.
_NO_COLUMN = "\0"


class ArrayReader(NumberReader):
    """Arrays x and y of an .npz file, or the columns of a table; y may be classes."""

    def __init__(self, task: Any, shapes: GivenTask):
        """`task`: the run's settings of its family; of no use here."""
        super().__init__(task, shapes)
        self._classifies = shapes.loss in CLASSIFYING

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """An .npz file, or a table."""
        if Path(source).suffix.lower() == ".npz":
            return self._read_arrays(Path(source).expanduser(), role)
        if not self._classifies:
            return super().read(source, role, columns)
        target = columns.target or "y"
        path = table_file(source, role)
        table = Rows(path, [target, *([columns.task] if columns.task else [])])
        if role == "support":
            table.check(target, "--target-column")
        classes = table.texts(target) if target in table.column_names else None
        inputs = super().read(source, "query", Columns(columns.inputs, _NO_COLUMN, columns.task))
        return Examples(inputs.inputs, classes, inputs.names, inputs.tasks)

    def _read_arrays(self, path: Path, role: Role) -> Examples:
        try:
            with np.load(path, allow_pickle=False) as found:
                arrays = {name: found[name] for name in ("x", "y") if name in found.files}
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"--{role} {path} cannot be read as .npz ({error})") from None
        needed = ("x", "y") if role == "support" else ("x",)
        for name in needed:
            if name not in arrays:
                raise DataError(
                    f"--{role} {path} has no array {name!r}: np.savez(file, x=..., y=...)"
                )
        try:
            inputs = self.inputs(arrays["x"])
            targets = self._targets(arrays["y"], len(inputs)) if "y" in arrays else None
        except ValueError as error:
            raise DataError(f"--{role} {path}: {error}") from None
        names = [f"example {place}" for place in range(len(inputs))]
        return Examples(inputs, targets, names, [""] * len(inputs))

    def _targets(self, given: Array, number: int) -> list[str] | Array:
        if len(np.atleast_1d(given)) != number:
            raise ValueError(f"x has {number} examples, y {len(np.atleast_1d(given))}")
        if self._classifies:
            return [str(label) for label in np.asarray(given).reshape(number, -1)[:, 0]]
        found = self.targets(given)
        if found.shape != (number, self._num_outputs) or not np.isfinite(found).all():
            raise ValueError(
                f"y is of shape {list(np.shape(given))}; finite values [{number}, "
                f"{self._num_outputs}] are needed"
            )
        return found
