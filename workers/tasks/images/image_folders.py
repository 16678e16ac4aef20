"""Images in folders: one folder per class, or a CSV file that names image and class."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from workers.tasks.folder_files import members_of
from workers.tasks.images.image_cells import read_file
from workers.tasks.images.image_files import check_columns, class_names, is_image, no_images
from workers.tasks.table.csv_dialects import dialect_of
from workers.tasks.table.csv_files import read_texts, reason
from workers.wire.errors import DataError

# The default name of the column of paths, and that of mini-ImageNet's tables.
_COLUMN, _PUBLISHED = "image", "filename"


class FolderImages:
    """A folder of FOLDER/CLASS/x.png, or deeper; a class is named by its folders, as in a zip."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._members = sorted(member for member in members_of(folder) if is_image(member))
        if not self._members:
            raise DataError(f"{folder}: {no_images(members_of(folder))}")
        self.top, self.class_names = class_names(self._members, folder.name)

    def images(self) -> Iterator[tuple[str, bytes]]:
        """Yield each image as ("FOLDER/CLASS/x.png", encoded bytes)."""
        for member in self._members:
            path = self._folder / member
            yield str(path), read_file(path, str(path))

    def digest(self) -> str:
        """Hash names, sizes and times, to detect that the folder has changed."""
        return stat_digest(self._folder / member for member in self._members)


class CsvImages:
    """A CSV file with a column of image paths and columns that name the class.

    Paths are relative to the file, or to a folder `images` beside it or above it, as mini-ImageNet
    is published.

    folder: what classes are named below, such as "train/", or "".
    """

    def __init__(
        self, file: Path, image_column: str, label_columns: Sequence[str], folder: str = ""
    ):
        import pyarrow as pa

        self._file = file
        wanted = [image_column, *label_columns]
        try:
            if names := dialect_of(file).names:
                if image_column == _COLUMN and image_column not in names and _PUBLISHED in names:
                    wanted[0] = image_column = _PUBLISHED
                check_columns(file, names, image_column, label_columns)
            # As text: a class called 007 is not the class 7.
            table = read_texts(file, wanted)
        except (pa.ArrowException, OSError) as error:
            message = f"{file}: not a readable CSV file ({reason(error, file)})"
            raise DataError(message) from error
        columns = [table.column(name).to_pylist() for name in wanted]
        if not table.num_rows or not label_columns:
            raise DataError(f"{file.name}: needs one row and one task.label_column at least")
        for name, values in zip(wanted, columns, strict=True):
            empty = [row for row, value in enumerate(values) if not value]
            if empty:
                raise DataError(f"{file.name}: row {empty[0]} has no {name!r}")
        root = _root_of(columns[0][0], file.parent)
        self._paths = [root / path for path in columns[0]]
        self.class_names = [folder + "/".join(row) for row in zip(*columns[1:], strict=True)]

    def images(self) -> Iterator[tuple[str, bytes]]:
        """Yield each image as ("FILE.csv: row 17: path", encoded bytes); rows count from 0."""
        for row, path in enumerate(self._paths):
            where = f"{self._file.name}: row {row}: {path}"
            yield where, read_file(path, where)

    def digest(self) -> str:
        """Hash the file itself, and names, sizes and times of the images."""
        content = hashlib.sha256(self._file.read_bytes()).hexdigest()
        return content + stat_digest(self._paths)


def _root_of(path: str, folder: Path) -> Path:
    """Return the folder that a table's first image is relative to."""
    roots = (folder, folder / "images", folder.parent / "images")
    return next((root for root in roots if (root / path).is_file()), folder)


def has_class_folders(folder: Path) -> bool:
    """Return whether images are in subfolders of `folder`."""
    return any(is_image(member) and "/" in member for member in members_of(folder))


def stat_digest(paths: Iterable[Path]) -> str:
    """Hash names, sizes and times of files; missing files count too.

    The times include that of the last status change: another image may keep the old one's
    modification time.
    """
    total = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
            times = f"{status.st_mtime_ns}\0{status.st_ctime_ns}"
            total.update(f"{path}\0{status.st_size}\0{times}\n".encode())
        except OSError:
            total.update(f"{path}\0missing\n".encode())  # reported by name when it is read
    return total.hexdigest()
