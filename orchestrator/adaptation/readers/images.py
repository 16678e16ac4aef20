"""Reader of a user's images: class folders, zips, tables with an image column, or arrays."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from orchestrator.adaptation.readers.arrays import checked
from orchestrator.adaptation.readers.reader import Columns, Examples, Reader, Role
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.images.image_cells import content_of, read_file
from workers.tasks.images.image_decoding import decode_picture
from workers.tasks.images.image_files import ZipImages, images_in_no_folder, is_image
from workers.tasks.images.image_folders import FolderImages, has_class_folders
from workers.tasks.images.image_notes import ConversionCounts, notes_of
from workers.tasks.table.rows import Rows
from workers.tasks.table.table_files import TEXT_SUFFIXES
from workers.wire.errors import DataError
from workers.wire.protocol import Array

if TYPE_CHECKING:
    from workers.settings.images_task import ImagesTask

_FORMS = "a folder of CLASS/IMAGE files or of images, an image, a .zip, .csv, .tsv or .parquet"


class _ImageSource(NamedTuple):
    """The content of a source of images.

    images: (place, encoded image).
    classes: of each image; None if the source has none.
    tasks: of each image; None if the source has none.
    """

    images: Iterable[tuple[str, bytes]]
    classes: list[str] | None
    tasks: list[str] | None = None


class ImageReader(Reader):
    """A reader of images of any size, which are converted as the run's own were."""

    takes_paths = True
    reads = ("image_column", "label_column", "invert")

    def __init__(self, task: "ImagesTask", shapes: UserTaskShapes):
        self._task, self._input_shape = task, shapes.input_shape

    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """Read a folder, an image, a zip, or a table with a column of images or of their paths."""
        path = Path(source).expanduser()
        if not path.exists():
            raise DataError(f"--{role} {source} does not exist; give {_FORMS}")
        opened = self._open(path, role, columns)
        if role == "support" and opened.classes is None:
            raise DataError(
                f"--{role} {source} has no classes; give a folder for each class, or a table with "
                "a column for it (--target-column)"
            )
        names, pixels, conversions = [], [], ConversionCounts()
        for where, encoded in opened.images:
            names.append(where.removeprefix(f"{path}/").removeprefix(f"{path.name}: "))
            pixels.append(self._decode(encoded, where, conversions))
        inputs = np.stack(pixels).astype(np.float32) / np.float32(255)
        tasks = opened.tasks or [""] * len(names)
        notes = [f"--{role}: {note}" for note in notes_of(conversions.as_dict(), self._input_shape)]
        return Examples(inputs, opened.classes, names, tasks, notes)

    def inputs(self, images: Any) -> Array:
        """Convert images in memory, or files.

        Args:
          images: float [n, H, W, C] as in training, uint8 [n, H, W(C)] of any size, or paths: a
            list, a tuple, a column of a table. Keys of a dict are no paths.
        """
        paths = images.tolist() if getattr(images, "ndim", 0) == 1 else images
        if isinstance(paths, list | tuple) and all(isinstance(x, str | Path) for x in paths):
            return self.files([str(path) for path in paths], _read_files(paths))
        array = _as_array(images)
        if array.dtype == np.uint8:
            _check_uint8(array)
            pixels = [self._decode(_as_png(image), f"inputs[{i}]") for i, image in enumerate(array)]
            return np.stack(pixels).astype(np.float32) / np.float32(255)
        inputs = checked(array.astype(np.float32), self._input_shape)
        if inputs.min() < 0 or inputs.max() > 1:
            raise ValueError(
                f"inputs hold values from {inputs.min():g} to {inputs.max():g}; float images must "
                "be in [0, 1], images in 0 .. 255 must be uint8"
            )
        return inputs

    def files(self, names: Sequence[str], contents: Iterable[bytes]) -> Array:
        """Decode encoded images, see `Reader.files`."""
        pixels = [self._decode(file, name) for name, file in zip(names, contents, strict=True)]
        return np.stack(pixels).astype(np.float32) / np.float32(255)

    def _open(self, path: Path, role: Role, columns: Columns) -> _ImageSource:
        suffix = path.suffix.lower()
        if path.is_file() and suffix in (*TEXT_SUFFIXES, ".parquet"):
            return self._table(path, role, columns)
        if columns.task:
            raise DataError(f"--task-column is for tables; {path} is not one")
        if path.is_dir() and has_class_folders(path):
            _check_no_class_is_empty(path)
            folder = FolderImages(path)
            return _ImageSource(folder.images(), folder.class_names)
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if is_image(file.name))
            if not files:
                raise DataError(f"{path} holds no images; give {_FORMS}")
            return _ImageSource(_read(files), None)
        if suffix == ".zip":
            if role == "query" and (flat := images_in_no_folder(path)) is not None:
                return _ImageSource(flat, None)
            archive = ZipImages(path)
            return _ImageSource(archive.images(), archive.class_names)
        if is_image(path.name):
            return _ImageSource(((path.name, content) for _, content in _read([path])), None)
        raise DataError(f"{path} is not {_FORMS}")

    def _table(self, path: Path, role: Role, columns: Columns) -> _ImageSource:
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
            labels = ["label"]  # the usual name, if the table lacks the run's columns
        if role == "support":
            table.check(labels[0], "--target-column")
        if columns.task:
            table.check(columns.task, "--task-column")
        classes = None
        if all(name in table.column_names for name in labels):
            classes = ["/".join(row) for row in zip(*map(table.texts, labels), strict=True)]
        tasks = table.texts(columns.task) if columns.task else None
        cells: Sequence[Any] = (table.texts if names_files else table.values)(image[0])
        return _ImageSource(_of_rows(path, cells), classes, tasks)

    def _decode(
        self, encoded: bytes, where: str, conversions: ConversionCounts | None = None
    ) -> Array:
        size, _, channels = self._input_shape
        picture = decode_picture(encoded, where, size, channels)
        if conversions is not None:
            conversions.add(picture)
        return 255 - picture.pixels if self._task.invert else picture.pixels


def _check_no_class_is_empty(folder: Path) -> None:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        if not folders and not any(map(is_image, files)):
            raise DataError(f"{root}: the class {Path(root).name!r} has no image; add one")


def _of_rows(path: Path, cells: Sequence[Any]) -> Iterator[tuple[str, bytes]]:
    """Yield the images of cells: encoded, structs {bytes, path}, or paths relative to the table."""
    for row, cell in enumerate(cells):
        where = f"{path.name}: row {row}"
        try:
            content = content_of(cell, path.parent)
        except TypeError as error:
            raise DataError(f"{where} holds {error}, not an image or the path of one") from None
        if isinstance(content, Path):
            where = f"{where}: {content.name}"
            content = read_file(content, where)
        if not content:
            raise DataError(f"{where} has no image")
        yield where, content


def _read(files: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for file in files:
        yield str(file), read_file(file, str(file))


def _read_files(paths: Iterable[str | Path]) -> Iterator[bytes]:
    for path in map(Path, paths):
        if not path.is_file():
            raise ValueError(f"inputs: there is no file {path}")
        yield read_file(path, f"inputs: {path}")


def _as_array(images: Any) -> Array:
    """Convert images of one size to an array. Raises ValueError if they are not numbers."""
    try:
        array: Array = np.asarray(images)
        if array.dtype.kind not in "uif":
            raise ValueError(f"of type {array.dtype}")
    except ValueError as error:
        raise ValueError(
            f"inputs are neither an array of images [n, height, width, channels] nor a list of "
            f"paths ({error})"
        ) from None
    return array


def _check_uint8(images: Array) -> None:
    """Raise ValueError unless they are [n, height, width], grey, or [.., 1, 3 or 4]."""
    if images.ndim != 3 and not (images.ndim == 4 and images.shape[-1] in (1, 3, 4)):
        raise ValueError(
            f"inputs of shape {list(images.shape)}; uint8 images are [n, height, width], or have "
            "1, 3 or 4 channels as a last axis"
        )


def _as_png(image: Array) -> bytes:
    import io

    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1:] == (1,) else image).save(content, "PNG")
    return content.getvalue()
