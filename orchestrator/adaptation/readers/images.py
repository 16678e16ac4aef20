"""Image classification: folders of class folders, zips, tables with an image column, images."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from orchestrator.adaptation.readers.arrays import checked
from orchestrator.adaptation.readers.reader import Columns, Examples, Reader, Role
from workers.settings.given_task import GivenTask
from workers.settings.images_task import ImagesTask
from workers.tasks.images.image_cells import content_of, read_file
from workers.tasks.images.image_decoding import see
from workers.tasks.images.image_files import ZipImages, images_in_no_folder, is_image
from workers.tasks.images.image_folders import FolderImages, has_class_folders
from workers.tasks.images.image_notes import Seen, notes_of
from workers.tasks.table.rows import Rows
from workers.tasks.table.table_files import TEXT_SUFFIXES
from workers.wire.errors import DataError
from workers.wire.protocol import Array

_FORMS = "a folder of CLASS/IMAGE files or of images, an image, a .zip, .csv, .tsv or .parquet"


class _Found(NamedTuple):
    """Encoded images and where each is; their classes, and their tasks."""

    images: Iterable[tuple[str, bytes]]
    classes: list[str] | None
    tasks: list[str] | None = None


class ImageReader(Reader):
    """Images of any size, made what the run's own were."""

    def __init__(self, task: ImagesTask, shapes: GivenTask):
        self._task, self._input_shape = task, shapes.input_shape

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """A folder, an image, a zip, or a table with a column of images or of their paths."""
        path = Path(source).expanduser()
        if not path.exists():
            raise DataError(f"--{role} {source} does not exist; give {_FORMS}")
        found = self._open(path, role, columns)
        if role == "support" and found.classes is None:
            raise DataError(
                f"--{role} {source} has no classes; give a folder for each class, or a table with "
                "a column for it (--target-column)"
            )
        names, pixels, seen = [], [], Seen()
        for where, encoded in found.images:
            names.append(where.removeprefix(f"{path}/").removeprefix(f"{path.name}: "))
            pixels.append(self._decode(encoded, where, seen))
        inputs = np.stack(pixels).astype(np.float32) / np.float32(255)
        tasks = found.tasks or [""] * len(names)
        notes = [f"--{role}: {note}" for note in notes_of(seen.as_dict(), self._input_shape)]
        return Examples(inputs, found.classes, names, tasks, notes)

    def inputs(self, given: Any) -> Array:
        """float [n, H, W, C] as in training, uint8 [n, H, W(C)] of any size, or paths."""
        if not isinstance(given, np.ndarray) and all(isinstance(x, str | Path) for x in given):
            pixels = [self._decode(_read_file(Path(path)), str(path)) for path in given]
            return np.stack(pixels).astype(np.float32) / np.float32(255)
        found = _as_array(given)
        if found.dtype == np.uint8:
            _check_uint8(found)
            pixels = [self._decode(_as_png(image), f"inputs[{i}]") for i, image in enumerate(found)]
            return np.stack(pixels).astype(np.float32) / np.float32(255)
        images = checked(found.astype(np.float32), self._input_shape)
        if images.min() < 0 or images.max() > 1:
            raise ValueError(
                f"inputs hold values from {images.min():g} to {images.max():g}; float images are "
                "in [0, 1], those in 0 .. 255 are uint8"
            )
        return images

    def _open(self, path: Path, role: Role, columns: Columns) -> _Found:
        suffix = path.suffix.lower()
        if path.is_file() and suffix in (*TEXT_SUFFIXES, ".parquet"):
            return self._table(path, role, columns)
        if columns.task:
            raise DataError(f"--task-column is for tables; {path} is none")
        if path.is_dir() and has_class_folders(path):
            _check_no_class_is_empty(path)
            folder = FolderImages(path)
            return _Found(folder.images(), folder.class_names)
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if is_image(file.name))
            if not files:
                raise DataError(f"{path} holds no images; give {_FORMS}")
            return _Found(_read(files), None)
        if suffix == ".zip":
            if role == "query" and (flat := images_in_no_folder(path)) is not None:
                return _Found(flat, None)
            archive = ZipImages(path)
            return _Found(archive.images(), archive.class_names)
        if is_image(path.name):
            return _Found(((path.name, content) for _, content in _read([path])), None)
        raise DataError(f"{path} is no {_FORMS.removeprefix('a ')}")

    def _table(self, path: Path, role: Role, columns: Columns) -> _Found:
        image = columns.inputs or (self._task.image_column,)
        if len(image) != 1:
            raise DataError(f"--input-column {', '.join(image)}: an image is in one column")
        label = self._task.label_column
        labels = (
            [columns.target] if columns.target else [label] if isinstance(label, str) else label
        )
        names = [*labels, "label", *([columns.task] if columns.task else [])]
        names_files = path.suffix.lower() in TEXT_SUFFIXES
        table = Rows(path, [*image, *names] if names_files else [])
        table.check(image[0], "--input-column")
        if not columns.target and not set(labels) <= set(table.column_names):
            labels = ["label"]  # for those who did not name theirs as the run's data do
        if role == "support":
            table.check(labels[0], "--target-column")
        if columns.task:
            table.check(columns.task, "--task-column")
        classes = None
        if all(name in table.column_names for name in labels):
            classes = ["/".join(row) for row in zip(*map(table.texts, labels), strict=True)]
        tasks = table.texts(columns.task) if columns.task else None
        cells: Sequence[Any] = (table.texts if names_files else table.values)(image[0])
        return _Found(_of_rows(path, cells), classes, tasks)

    def _decode(self, encoded: bytes, where: str, seen: Seen | None = None) -> Array:
        size, _, channels = self._input_shape
        picture = see(encoded, where, size, channels)
        if seen is not None:
            seen.add(picture)
        return 255 - picture.pixels if self._task.invert else picture.pixels


def _check_no_class_is_empty(folder: Path) -> None:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        if not folders and not any(map(is_image, files)):
            raise DataError(f"{root}: the class {Path(root).name!r} has no image; add one")


def _of_rows(path: Path, cells: Sequence[Any]) -> Iterator[tuple[str, bytes]]:
    """Cells that are encoded images, structs {bytes, path}, or paths relative to the table."""
    for row, cell in enumerate(cells):
        where = f"{path.name}: row {row}"
        try:
            content = content_of(cell, path.parent)
        except TypeError as error:
            raise DataError(f"{where} holds {error}, no image and no path of one") from None
        if isinstance(content, Path):
            where = f"{where}: {content.name}"
            content = read_file(content, where)
        if not content:
            raise DataError(f"{where} has no image")
        yield where, content


def _read(files: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for file in files:
        yield str(file), read_file(file, str(file))


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(f"inputs: there is no file {path}")
    return read_file(path, f"inputs: {path}")


def _as_array(given: Any) -> Array:
    """Images of one size. Raises ValueError if they are none."""
    try:
        found: Array = np.asarray(given)
        if found.dtype.kind not in "uif":
            raise ValueError(f"of type {found.dtype}")
    except ValueError as error:
        raise ValueError(
            f"inputs are no array of images [n, height, width, channels], nor paths ({error})"
        ) from None
    return found


def _check_uint8(images: Array) -> None:
    """Raise ValueError unless they are [n, height, width], grey, or [.., 1, 3 or 4]."""
    if images.ndim != 3 and not (images.ndim == 4 and images.shape[-1] in (1, 3, 4)):
        raise ValueError(
            f"inputs of shape {list(images.shape)}; uint8 images are [n, height, width], or have "
            "1, 3 or 4 channels besides"
        )


def _as_png(image: Array) -> bytes:
    import io

    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1:] == (1,) else image).save(content, "PNG")
    return content.getvalue()
