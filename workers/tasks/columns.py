"""Columns of a table as features and target: numbers, standardized with the training rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from workers.errors import DataError
from workers.settings.tasks import TableTask
from workers.tasks.rows import Rows


@dataclass(frozen=True, slots=True)
class Scaled:
    """Columns and their scale over the training rows.

    names: of the columns. values: float64 [rows, columns], as they are; NaN is missing. mean, sd:
    float64 [columns].
    """

    names: tuple[str, ...]
    values: NDArray[Any]
    mean: NDArray[Any]
    sd: NDArray[Any]

    @classmethod
    def of(cls, values: NDArray[Any], train: NDArray[Any], names: Sequence[str]) -> Self:
        """Measure the scale of `values`, [rows] or [rows, columns], over the rows `train`.

        Raises:
          DataError: a column is constant there, or empty.
        """
        table = np.asarray(values, np.float64).reshape(len(values), -1)
        seen = table[train]
        for place, name in enumerate(names):
            known = seen[~np.isnan(seen[:, place]), place]
            if not len(known) or known.min() == known.max():
                what = f"is {known[0]:g} in every row" if len(known) else "has no value"
                raise DataError(
                    f"column {name!r} {what} of the training tasks, which says nothing; leave it "
                    "out (task.feature_columns)"
                )
        return cls(tuple(names), table, np.nanmean(seen, axis=0), np.nanstd(seen, axis=0))

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        """Standardize: float32 [rows, columns]; what is missing becomes the mean."""
        scaled = (np.asarray(values, np.float64) - self.mean) / self.sd
        return np.nan_to_num(scaled, nan=0.0).astype(np.float32)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: names and scale."""
        return {"names": list(self.names), "mean": self.mean.tolist(), "sd": self.sd.tolist()}

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> Self:
        """Inverse of `as_dict`; without values."""
        names, mean, sd = table["names"], np.array(table["mean"]), np.array(table["sd"])
        return cls(tuple(names), np.zeros((0, len(names))), mean, sd)


def choose_features(rows: Rows, settings: TableTask, train: NDArray[Any]) -> Scaled:
    """The columns that are named, or all others that hold numbers.

    Raises:
      DataError: there are none, or a value is missing or not finite.
    """
    names = settings.feature_columns
    if names is None:
        taken = (settings.task_column, settings.target_column)
        names = tuple(n for n in rows.column_names if n not in taken and rows.is_numeric(n))
    if not names:
        raise DataError(
            f"{settings.path}: no column but task and target holds numbers; it has "
            f"{', '.join(rows.column_names)}"
        )
    for name in names:
        rows.check(name, "task.feature_columns")
    may_miss = settings.nulls == "mean"
    values = np.stack([rows.column_of_numbers(name, may_miss) for name in names], axis=1)
    return Scaled.of(values, train, names)


def read_target(rows: Rows, settings: TableTask) -> tuple[NDArray[Any], list[str] | None]:
    """Values float64 [rows], or indices of classes, and these sorted.

    Raises:
      DataError: a value is missing, or there is but one class.
    """
    name = settings.target_column
    numeric = rows.is_numeric(name)
    if settings.target == "value" or (settings.target == "auto" and numeric):
        return rows.column_of_numbers(name, False), None
    labels = rows.texts(name)
    classes, indices = np.unique(np.asarray(labels), return_inverse=True)
    if len(classes) < 2:
        raise DataError(
            f"{settings.path}: {name!r} is {labels[0]!r} in every row; nothing to learn"
        )
    return indices, [str(each) for each in classes]
