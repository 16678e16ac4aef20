"""Examples of any shape: an .npz file of arrays, or a table of numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np

from orchestrator.adaptation.readers.arrays import as_numbers, checked
from orchestrator.adaptation.readers.numbers import NumberReader, table_file
from orchestrator.adaptation.readers.reader import Columns, Examples, Role
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.table.rows import Rows
from workers.wire.errors import DataError
from workers.wire.packed_inputs import PARTS, parts_from_dict
from workers.wire.protocol import Array

#: The name of no column.
_NO_COLUMN = "\0"


class ArrayReader(NumberReader):
    """Arrays x and y of an .npz file, or the columns of a table; y may be classes."""

    def __init__(self, task: Any, shapes: UserTaskShapes):
        """`task`: the run's settings of its family; of no use here."""
        super().__init__(task, shapes)
        self._classifies = self._loss.classifies
        told = shapes.preparation.get(PARTS)
        self._parts = None if told is None else parts_from_dict(told)

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """Read an .npz file or a table."""
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
        if path.is_file() and not is_zipfile(path):
            raise DataError(
                f"--{role} {path} is no .npz file; save it by np.savez(file, x=..., y=...)"
            )
        try:
            with np.load(path, allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
        except ValueError:
            raise DataError(
                f"--{role} {path} holds Python objects; save arrays of numbers, of one shape each"
            ) from None
        except (OSError, EOFError, BadZipFile) as error:
            raise DataError(f"--{role} {path} cannot be read as .npz ({error})") from None
        inputs_in = ["x"] if self._parts is None else list(self._parts)
        for name in [*inputs_in, "y"] if role == "support" else inputs_in:
            if name not in arrays:
                example = ", ".join(f"{each}=..." for each in [*inputs_in, "y"])
                raise DataError(
                    f"--{role} {path} has no array {name!r}; save it by np.savez(file, {example})"
                )
        try:
            inputs = self.inputs(arrays["x"] if self._parts is None else arrays)
            targets = self._targets(arrays["y"], len(inputs)) if "y" in arrays else None
        except ValueError as error:
            raise DataError(f"--{role} {path}: {error}") from None
        names = [f"example {place}" for place in range(len(inputs))]
        return Examples(inputs, targets, names, [""] * len(inputs))

    def inputs(self, given: Any) -> Array:
        """As `Reader.inputs`; where the tasks' inputs are dicts, a dict of arrays [n, ...]."""
        if self._parts is None:
            return super().inputs(given)
        if not isinstance(given, Mapping) or not given.keys() >= self._parts.keys():
            raise ValueError(f"inputs are a dict of {', '.join(self._parts)}")
        found = []
        for name, part in self._parts.items():
            array = as_numbers(given[name], np.float32, name)
            number = len(array) if array.ndim else 0
            if array.size != number * part.size or array.shape[1:] not in (part.shape, ()):
                wanted = ", ".join(map(str, ("n", *part.shape)))
                raise ValueError(f"{name} is of shape {list(array.shape)}, not [{wanted}]")
            found.append(array.reshape(number, part.size))
        if len({len(array) for array in found}) > 1:
            sizes = ", ".join(f"{len(array)}" for array in found)
            raise ValueError(f"the inputs {', '.join(self._parts)} have {sizes} examples")
        return checked(np.concatenate(found, axis=-1), self._input_shape)

    def _targets(self, given: Array, number: int) -> list[str] | Array:
        if len(np.atleast_1d(given)) != number:
            raise ValueError(f"x has {number} examples, y {len(np.atleast_1d(given))}")
        if self._classifies:
            return [str(label) for label in np.asarray(given).reshape(number, -1)[:, 0]]
        found = self.targets(given)
        if found.shape != (number, self._num_targets) or not np.isfinite(found).all():
            raise ValueError(
                f"y is of shape {list(np.shape(given))}; finite values [{number}, "
                f"{self._num_targets}] are needed"
            )
        self._loss.check_targets(found)
        return found
