"""Signals in tables: a list a row, a sample a column (CSV), or a sample a row."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workers.tasks.listing import listed
from workers.tasks.signals.columns import Wanted
from workers.tasks.signals.recordings import Signal
from workers.tasks.table.row_groups import numbered
from workers.tasks.table.rows import Rows, is_index
from workers.tasks.table.table_files import TEXT_SUFFIXES
from workers.wire.errors import DataError, SourceError
from workers.wire.protocol import Array

_SIGNAL, _LABEL = "signal", "label"


class SignalRows(Rows):
    """A table of which a column may hold lists of numbers."""

    def has_lists(self, name: str) -> bool:
        """Whether a column holds lists."""
        import pyarrow as pa

        kind = self._table.schema.field(name).type
        of_lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        return any(is_one(kind) for is_one in of_lists)

    def lists(self, name: str) -> Iterator[Array]:
        """Return a column of lists of numbers, or of lists of a sample's channels, as arrays.

        Raises:
          DataError: a row has none, or something else; names it.
        """
        import pyarrow as pa

        for row, cell in enumerate(self._table.column(name)):
            values = cell.values if cell.is_valid else None
            if values is None or not len(values):
                raise DataError(f"{self._path}: row {row} has no {name!r} (empty)")
            samples = len(values)
            nested = pa.types.is_nested(values.type)
            values = values.flatten() if nested else values
            if pa.types.is_nested(values.type) or (nested and len(values) % samples):
                raise DataError(
                    f"{self._path}: row {row} has a {name!r} of {values.type}; a list of numbers, "
                    "or of samples of equally many channels, is needed"
                )
            found = values.to_numpy(zero_copy_only=False)
            yield found.reshape(samples, -1) if nested else found


def of_table(path: Path, wanted: Wanted, notes: list[str]) -> Iterator[Signal]:
    """Return the signals of a CSV, Parquet or Arrow file; add to `notes` what is left out.

    Raises:
      DataError: a column is missing, or holds something else; names it.
    """
    labels = wanted.labels or (_LABEL,)
    as_text = [*(() if wanted.measures else labels), *filter(None, [wanted.recording])]
    rows = SignalRows(path, as_text)
    wanted = wanted.within(rows.column_names)
    for name in wanted.signals or ():
        rows.check(name, wanted.option("signal_column"))
    if wanted.labelled == "needed":
        for name in labels:
            rows.check(name, wanted.option("label_column"))
    elif wanted.labelled == "unused" or not set(labels) <= set(rows.column_names):
        labels = ()
    if wanted.recording:
        rows.check(wanted.recording, wanted.option("recording_column"))
    signals = wanted.signals or ((_SIGNAL,) if _SIGNAL in rows.column_names else ())
    if signals and all(map(rows.has_lists, signals)):
        return _of_lists(path, rows, signals, labels, wanted)
    if signals:
        return _of_samples(path, rows, signals, labels, wanted)
    if path.suffix.lower() not in TEXT_SUFFIXES:
        rows.check(_SIGNAL, wanted.option("signal_column"))
    return _of_columns(path, rows, labels, wanted, notes)


def _of_lists(
    path: Path, rows: SignalRows, signals: Sequence[str], labels: Sequence[str], wanted: Wanted
) -> Iterator[Signal]:
    told = _Told(path, rows, labels, wanted)
    for row, parts in enumerate(zip(*map(rows.lists, signals), strict=True)):
        where = f"{path.name}: row {row}"
        if len({np.shape(part) for part in parts}) > 1:
            sizes = ", ".join(str(len(part)) for part in parts)
            raise DataError(f"{where}: {listed(signals)} have {sizes} samples; channels are alike")
        values = parts[0] if len(parts) == 1 else np.stack(parts, axis=-1)
        yield told.signal(row, where, values)


def _of_columns(
    path: Path, rows: SignalRows, labels: Sequence[str], wanted: Wanted, notes: list[str]
) -> Iterator[Signal]:
    taken = {*labels, wanted.recording, *(wanted.labels or (_LABEL,))}
    left = [name for name in rows.column_names if name not in taken]
    notes += [f"the column {n!r} is left out: an index, no sample" for n in left if is_index(n)]
    columns = [n for n in left if rows.is_numeric(n) and not is_index(n)]
    others = [n for n in left if not rows.is_numeric(n)]
    for name in others:
        rows.check_meant(name, "a sample is a number")
    if not columns:
        raise SourceError(
            f"{path}: no column beside the label's holds numbers; a row is a signal, a column a "
            "sample"
        )
    values = np.stack([rows.column_of_numbers(name, True) for name in columns], axis=1)
    told = _Told(path, rows, labels, wanted)
    for row, own in enumerate(values):
        yield told.signal(row, f"{path.name}: row {row}", own)


def _of_samples(
    path: Path, rows: SignalRows, signals: Sequence[str], labels: Sequence[str], wanted: Wanted
) -> Iterator[Signal]:
    """Yield a signal for each run of a recording's rows with one class."""
    for name in signals:
        if not rows.is_numeric(name):
            raise DataError(
                f"{path}: column {name!r} ({wanted.option('signal_column')}) holds neither numbers "
                "nor lists of numbers"
            )
    values = np.stack([rows.column_of_numbers(name, True) for name in signals], axis=1)
    told = _Told(path, rows, labels, wanted)
    names, recordings = numbered(told.recordings or [path.name] * len(rows))
    order = np.argsort(recordings, kind="stable")
    _, classes = numbered(told.classes or [""] * len(rows))
    keys = np.stack([recordings[order], classes[order]], axis=1)
    changes = np.flatnonzero((keys[1:] != keys[:-1]).any(axis=1)) + 1
    for own in np.split(order, changes):
        first = int(own[0])
        recording = names[recordings[first]]
        where = f"{path.name}: {recording!r}" if told.recordings else path.name
        yield Signal(
            name=f"{where}, from row {first}",
            values=values[own],
            label=told.classes[first] if told.classes else None,
            recording=recording,
            target=None if told.values is None else told.values[own],
        )


class _Told:
    """What a table says of each row beside its signal.

    classes, recordings: None where it says none. values: to predict; likewise.
    """

    def __init__(self, path: Path, rows: SignalRows, labels: Sequence[str], wanted: Wanted):
        self._path = path
        self.recordings = rows.texts(wanted.recording) if wanted.recording else None
        self.classes: list[str] | None = None
        self.values: Any = None
        if labels and wanted.measures:
            name = labels[0]
            if rows.has_lists(name):
                self.values = list(rows.lists(name))
            else:
                self.values = rows.column_of_numbers(name, False)
        elif labels:
            columns = map(rows.texts, labels)
            self.classes = ["/".join(row) for row in zip(*columns, strict=True)]

    def signal(self, row: int, where: str, values: Array) -> Signal:
        """Return the signal of a row."""
        return Signal(
            name=where,
            values=values,
            label=self.classes[row] if self.classes else None,
            recording=self.recordings[row] if self.recordings else f"row {row}",
            target=None if self.values is None else self.values[row],
        )
