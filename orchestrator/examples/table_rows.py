"""Rows of one's own table, made what the run's own were: standardized, or classes."""

from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.examples.examples import Columns, Examples, Reader, Role
from orchestrator.examples.numbers import checked
from workers.errors import DataError
from workers.protocol import Array
from workers.settings.tasks import GivenTask, TableTask
from workers.tasks.columns import Scaled
from workers.tasks.rows import SUFFIXES, Rows


class TableReader(Reader):
    """The columns are the run's own, unless others are named."""

    def __init__(self, task: TableTask, shapes: GivenTask):
        prepared = shapes.preparation
        self._task, self._classes = task, prepared["classes"]
        self._features = Scaled.from_dict(prepared["features"])
        self._target = Scaled.from_dict(prepared["target"]) if prepared["target"] else None
        self._input_shape = shapes.input_shape

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """A CSV or Parquet file with the run's feature columns; queries need no target."""
        path = Path(source).expanduser()
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            what = "is no file" if not path.is_file() else "is no table"
            raise DataError(f"--{role} {source} {what}; give a {' or '.join(SUFFIXES)} file")
        names = columns.inputs or self._features.names
        target = columns.target or self._task.target_column
        task = columns.task
        rows = Rows(path, [task] if task else [])
        for name in names:
            rows.check(name, "--input-column")
        if len(names) != len(self._features.names):
            raise DataError(
                f"--input-column {', '.join(names)}: the model takes {len(self._features.names)} "
                f"features: {', '.join(self._features.names)}"
            )
        if role == "support":
            rows.check(target, "--target-column")
        if task:
            rows.check(task, "--task-column")
        may_miss = self._task.nulls == "mean"
        values = np.stack([rows.column_of_numbers(name, may_miss) for name in names], axis=1)
        return Examples(
            inputs=self._features.apply(values),
            targets=self._targets(rows, target) if target in rows.column_names else None,
            names=[f"row {row}" for row in range(len(rows))],
            tasks=rows.texts(task) if task else [""] * len(rows),
        )

    def inputs(self, given: Any) -> Array:
        """[n, features] in the table's own units."""
        found = np.asarray(given, np.float32)
        return self._features.apply(checked(found, self._input_shape))

    def targets(self, given: Any) -> Array:
        """[n] in the table's own units, standardized: float32 [n, 1]."""
        assert self._target is not None
        return self._target.apply(np.asarray(given, np.float64).reshape(-1, 1))

    def values(self, outputs: Array) -> Array:
        """What the model answers, in the table's own units."""
        assert self._target is not None
        return np.asarray(outputs * self._target.sd + self._target.mean, np.float32)

    def _targets(self, rows: Rows, name: str) -> list[str] | Array:
        if self._classes is not None:
            return rows.texts(name)
        return self.targets(rows.column_of_numbers(name, False))
