"""The features and the target of a table: columns of numbers, standardized by training rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from workers.settings.table_task import TableTask
from workers.tasks.listing import listed
from workers.tasks.scaling import Scaling
from workers.tasks.table.row_groups import numbered
from workers.tasks.table.rows import Rows, is_index
from workers.wire.errors import DataError

_FILL = "; fill it in, or take the mean over the training tasks: task.nulls=mean"


@dataclass(frozen=True, slots=True)
class Scale:
    """The standardization of some columns.

    names: of the columns.
    mean, sd: float64 [columns], over the rows of the training tasks.
    """

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        values: NDArray[np.float64],
        train: NDArray[np.int32],
        names: Sequence[str],
        source: str,
        remedy: str,
    ) -> Self:
        """Measure the scale over the rows `train` of `values`, [rows, columns]; NaN is missing.

        Args:
          source, remedy: the file, and what to do, for errors.
        Raises:
          DataError: a column has no spread there, or no value.
        """
        scales = []
        for name, column in zip(names, values.T, strict=True):
            present = column[train][~np.isnan(column[train])]
            with np.errstate(all="ignore"):
                mean, sd = (present.mean(), present.std()) if len(present) else (np.nan, np.nan)
            if not np.isfinite(mean) or not 0 < sd < np.inf or present.min() == present.max():
                raise DataError(
                    f"{source}: {name!r} {_range(present)} in the training tasks, which cannot be "
                    f"standardized; {remedy}"
                )
            scales.append((mean, sd))
        mean, sd = np.array(scales, np.float64).reshape(-1, 2).T
        return cls(tuple(names), mean, sd)

    def apply(self, values: NDArray[Any], source: str) -> NDArray[np.float32]:
        """Standardize [rows, columns], float32; a missing value becomes the mean.

        Raises:
          DataError: a value of `source` overflows float32; names the row.
        """
        with np.errstate(over="ignore"):
            scaled = ((np.asarray(values, np.float64) - self.mean) / self.sd).astype(np.float32)
        for row, place in np.argwhere(np.isinf(scaled))[:1]:
            raise DataError(
                f"{source}: row {row} has {self.names[place]!r} = {values[row, place]:g}, too far "
                f"from the training tasks' mean of {self.mean[place]:g}"
            )
        return np.nan_to_num(scaled, nan=0.0)

    def undo(self, scaled: NDArray[Any]) -> NDArray[np.float64]:
        """Turn standardized numbers [.., columns] back into the table's units."""
        return self.scaling.undo(scaled)

    @property
    def scaling(self) -> Scaling:
        """The scale without the names."""
        return Scaling(self.mean, self.sd)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON table."""
        return {"names": list(self.names), "mean": self.mean.tolist(), "sd": self.sd.tolist()}

    @classmethod
    def from_dict(cls, table: dict[str, Any]) -> Self:
        """Build the scale from the table of `as_dict`."""
        return cls(tuple(table["names"]), np.array(table["mean"]), np.array(table["sd"]))


@dataclass(frozen=True, slots=True)
class Features:
    """The columns to predict from.

    scale: their standardization.
    values: float64 [rows, columns], not standardized; NaN is missing.
    left_out: the other columns, each with the reason.
    """

    scale: Scale
    values: NDArray[np.float64]
    left_out: list[str]


def choose_features(rows: Rows, settings: TableTask, train: NDArray[np.int32]) -> Features:
    """Choose task.feature_columns, or all other columns of numbers that are not constant.

    Args:
      train: the rows of the training tasks.
    Raises:
      DataError: there are none; a column is missing, or is named but constant; a value is missing,
        not a number or not finite. Names the row.
    """
    named = settings.feature_columns
    left_out = {} if named is not None else dict(_not_features(rows, settings))
    excluded = (settings.task_column, settings.target_column, *left_out)
    columns: dict[str, NDArray[np.float64]] = {}
    for name in named or [n for n in rows.column_names if n not in excluded]:
        rows.check(name, "task.feature_columns")
        column = rows.column_of_numbers(name, settings.nulls == "mean", _FILL)
        if named is None and not _varies(column[train]):
            left_out[name] = "constant"
        else:
            columns[name] = column
    if not columns:
        raise DataError(
            f"{settings.path}: no column except task and target holds numbers that vary; it has "
            f"{listed(rows.column_names)}"
        )
    values = np.stack(list(columns.values()), axis=1)
    remedy = "leave it out of task.feature_columns"
    scale = Scale.of(values, train, list(columns), settings.path, remedy)
    return Features(scale, values, [f"{name} ({why})" for name, why in left_out.items()])


@dataclass(frozen=True, slots=True)
class Target:
    """The column to predict.

    values: float64 [rows], or class indices int32 [rows].
    classes: sorted names; None in regression.
    """

    values: NDArray[Any]
    classes: list[str] | None


def read_target(rows: Rows, settings: TableTask) -> Target:
    """Read the target column.

    Raises:
      DataError: a value is missing (names the row), or there is only one class.
    """
    name = settings.target_column
    if is_value(rows, settings):
        return Target(rows.column_of_numbers(name, False), None)
    labels = rows.texts(name)
    _check_recur(labels, rows.with_something_beside(name) or labels[0], settings)
    classes, indices = numbered(labels)
    if len(classes) < 2:
        raise DataError(
            f"{settings.path}: {name!r} (task.target_column) is {labels[0]!r} in every row; there "
            "is nothing to learn"
        )
    return Target(indices.astype(np.int32), classes)


def _check_recur(labels: Sequence[str], example: str, settings: TableTask) -> None:
    """Raise DataError if there are hardly more rows than labels: then these are not classes."""
    different = len(set(labels))
    if different > max(2, len(labels) // 2):
        raise DataError(
            f"{settings.path}: {settings.target_column!r} (task.target_column) holds {different} "
            f"different texts in {len(labels)} rows, such as {example!r}; classes must "
            "recur, and numbers must be written without a unit or other signs"
        )


def is_value(rows: Rows, settings: TableTask) -> bool:
    """Return whether the target is a number to predict; else it is a class.

    Raises:
      DataError: the column holds numbers except in a few rows.
    """
    name = settings.target_column
    if settings.target == "auto":
        rows.check_meant(name, "or are they classes: task.target=class")
        return rows.is_numeric(name) and not rows.is_boolean(name)
    return settings.target == "value"


def _not_features(rows: Rows, settings: TableTask) -> Iterator[tuple[str, str]]:
    """Yield the columns that are features only if they are named, with the reason."""
    for name in rows.column_names:
        if name in (settings.task_column, settings.target_column):
            continue
        if is_index(name):
            yield name, "an index"
            continue
        rows.check(name, "task.feature_columns")
        if not rows.is_numeric(name):
            rows.check_meant(name, "or name the others: task.feature_columns")
            cell = rows.with_something_beside(name)
            yield name, f"no plain numbers, such as {cell!r}" if cell else "no numbers"


def _range(values: NDArray[np.float64]) -> str:
    if not len(values):
        return "has no value"
    low, high = values.min(), values.max()
    return f"is {low:g} in every row" if low == high else f"runs from {low:g} to {high:g}"


def _varies(column: NDArray[np.float64]) -> bool:
    present = column[~np.isnan(column)]
    return len(present) > 0 and bool(present.min() < present.max())
