"""Files that hold a table: CSV, Parquet and Arrow (Feather)."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workers.tasks.pipes import refuse_pipe
from workers.tasks.table.class_labels import with_class_names
from workers.tasks.table.csv_dialects import MOST_COLUMNS
from workers.tasks.table.csv_files import read_csv, reason
from workers.wire.errors import DataError, SourceError

#: Of text files with a separator.
TEXT_SUFFIXES = (".csv", ".tsv")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".arrow", ".feather")
FORMS = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"


def read_table(path: Path, text_columns: Iterable[str] = ()) -> Any:
    """Read a pyarrow table.

    Args:
      text_columns: columns of a CSV file to keep as text: a class 007 is not 7.
    Raises:
      DataError: it is not a table, cannot be read, or has no row.
    """
    import pyarrow as pa

    refuse_pipe(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise SourceError(f"{path} {what}; give a {FORMS} file")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        ending = suffix or "no ending"
        raise SourceError(f"{path} is of an unsupported type ({ending}); give a {FORMS} file")
    try:
        if suffix in TEXT_SUFFIXES:
            table = read_csv(path, text_columns)
        else:
            table = _read_parquet(path) if suffix == ".parquet" else _read_arrow(path)
            table = with_class_names(table, path)
    except (pa.ArrowException, OSError) as error:
        why = reason(error, path)
        raise DataError(f"{path}: not a table that can be read ({why})") from None
    if not table.num_rows:
        raise DataError(f"{path}: has no rows")
    names = table.column_names
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{path} has {len(names)} columns; {MOST_COLUMNS} are allowed: keep the ones that "
            "are needed"
        )
    counts = Counter(names)
    if repeated := {name for name in names if counts[name] > 1}:
        raise DataError(f"{path}: has the column {min(repeated)!r} more than once; rename one")
    return table


def _read_parquet(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _read_arrow(path: Path) -> Any:
    """Read Arrow's file format, or its stream format."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        try:
            return pa.ipc.open_file(file).read_all()
        except pa.ArrowInvalid:
            file.seek(0)
            return pa.ipc.open_stream(file).read_all()
