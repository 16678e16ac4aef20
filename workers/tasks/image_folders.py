"""Images that lie in a folder: one folder per class, or a CSV file that names image and class."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from workers.errors import DataError
from workers.tasks.image_files import check_columns, class_names, is_image


class FolderImages:
    """FOLDER/CLASS/x.png, or deeper; a class is named by its folders, as in a zip."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._members = sorted(member for member in _members(folder) if is_image(member))
        if not self._members:
            raise DataError(f"{folder}: holds no images; expected CLASS/IMAGE.png and the like")
        self.top, self.class_names = class_names(self._members, folder.name)

    def images(self) -> Iterator[tuple[str, bytes]]:
        """Each image as ("FOLDER/CLASS/x.png", encoded bytes)."""
        for member in self._members:
            path = self._folder / member
            yield str(path), _read(path, str(path))

    def digest(self) -> str:
        """Of names, sizes and times: enough to know that the folder has changed."""
        return _stat_digest(self._folder / member for member in self._members)


class CsvImages:
    """A CSV file with a column of image paths, relative to it, and columns that name the class."""

    def __init__(self, file: Path, image_column: str, label_columns: Sequence[str]):
        import pyarrow as pa
        from pyarrow import csv

        self._file = file
        try:
            check_columns(file, csv.open_csv(file).schema.names, image_column, label_columns)
            wanted = [image_column, *label_columns]
            # As text: a class called 007 is not the class 7.
            types = {name: pa.string() for name in wanted}
            options = csv.ConvertOptions(include_columns=list(types), column_types=types)
            table = csv.read_csv(file, convert_options=options)
        except (pa.ArrowException, OSError) as error:
            message = f"{file}: not a CSV file that can be read ({str(error).splitlines()[0]})"
            raise DataError(message) from error
        columns = [table.column(name).to_pylist() for name in wanted]
        if not table.num_rows or not label_columns:
            raise DataError(f"{file.name}: needs one row and one task.label_column at least")
        for name, values in zip(wanted, columns, strict=True):
            empty = [row for row, value in enumerate(values) if not value]
            if empty:
                raise DataError(f"{file.name}: row {empty[0]} has no {name!r}")
        self._paths = [file.parent / path for path in columns[0]]
        self.class_names = ["/".join(row) for row in zip(*columns[1:], strict=True)]

    def images(self) -> Iterator[tuple[str, bytes]]:
        """Each image as ("FILE.csv: row 17: path", encoded bytes); rows count from 0."""
        for row, path in enumerate(self._paths):
            where = f"{self._file.name}: row {row}: {path}"
            yield where, _read(path, where)

    def digest(self) -> str:
        """Of the file itself, and of names, sizes and times of the images."""
        content = hashlib.sha256(self._file.read_bytes()).hexdigest()
        return content + _stat_digest(self._paths)


def has_class_folders(folder: Path) -> bool:
    """Whether images lie below `folder`, in folders of their own."""
    return any(is_image(member) and "/" in member for member in _members(folder))


def _members(folder: Path) -> Iterator[str]:
    for root, _, files in os.walk(folder):
        for name in files:
            yield Path(root, name).relative_to(folder).as_posix()


def _read(path: Path, where: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({error.strerror})") from error


def _stat_digest(paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
            total.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        except OSError:
            total.update(f"{path}\0missing\n".encode())  # told by name when it is read
    return total.hexdigest()
