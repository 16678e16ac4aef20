"""Pairs of numbers, one a line: x, and y where it is known."""

from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.adaptation.readers.arrays import as_numbers, checked
from orchestrator.adaptation.readers.reader import Columns, Examples, Reader, Role
from workers.settings.user_task_shapes import UserTaskShapes
from workers.wire.errors import DataError
from workers.wire.protocol import Array


class PairReader(Reader):
    """Reads files that end in .pairs."""

    def __init__(self, task: Any, shapes: UserTaskShapes):
        self._shape = shapes.input_shape

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """A file of pairs."""
        if not source.endswith(".pairs"):
            raise DataError(f"--{role} {source}: give a file that ends in .pairs")
        rows = [line.split() for line in Path(source).read_text().splitlines()]
        inputs = self.inputs([[row[0]] for row in rows])
        known = all(len(row) > 1 for row in rows)
        targets = np.array([[row[1]] for row in rows], np.float32) if known else None
        return Examples(inputs, targets, [f"x = {row[0]}" for row in rows], [""] * len(rows))

    def inputs(self, given: Any) -> Array:
        """[n, 1]."""
        return checked(as_numbers(given, np.float32), self._shape)
