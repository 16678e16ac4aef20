"""The files that hold images, and the encoded images in them.

A file is read in two passes, so that few images are in memory at a time: first the class of every
image, then the images. Both are in the file's order: by member name in a zip, by row in a Parquet
file.
"""

import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from workers.tasks.images.image_cells import check_size, content_of, read_file
from workers.tasks.listing import listed
from workers.tasks.table.class_labels import with_class_names
from workers.wire.errors import DataError, SourceError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")

# Kinds of images that Pillow cannot read by itself, or that are not supported.
OTHER_IMAGES = {".heic", ".heif", ".avif", ".jfif", ".jp2", ".svg", ".raw", ".dng", ".cr2"}
OTHER_IMAGES |= {".nef", ".arw", ".psd", ".tga", ".exr", ".ico", ".jxl", ".jpe", ".dcm", ".npy"}

_LEFT = ("Thumbs.db", "desktop.ini")
# Usual names of these columns.
_USUAL = {
    "image_column": ("image", "img", "path", "file", "filename", "file_name", "image_path"),
    "label_column": ("label", "class", "category", "target", "labels", "fine_label", "species"),
}


class ImageFile(Protocol):
    """A file of images.

    class_names: the class of each image, in the order of `images()`.
    """

    class_names: list[str]

    def images(self) -> Iterator[tuple[str, bytes]]:
        """Yield each image as (its place, for errors; its encoded bytes)."""


class ZipImages:
    """A zip of CLASS/x.png, TOP/CLASS/x.png or TOP/ALPHABET/CHARACTER/x.png.

    A class is named by its folders, without a single top folder that holds all of them. Members
    that are hidden, in __MACOSX, or not named like an image are skipped.
    """

    def __init__(self, file: Path):
        self._file = file
        try:
            members = [name for name in zip_members(file) if is_image(name)]
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(f"{file}: not a readable zip ({_line(error)})") from error
        if not members:
            raise DataError(f"{file}: {no_images(zip_members(file))}")
        self.top, self.class_names = class_names(members, file.name)
        self._members = members

    def images(self) -> Iterator[tuple[str, bytes]]:
        """Yield each image as ("FILE.zip: member", encoded bytes)."""
        return _unpack(self._file, self._members)


def images_in_no_folder(file: Path) -> Iterator[tuple[str, bytes]] | None:
    """Return the images of a zip without folders, as `ZipImages.images` does.

    Returns:
      None if an image is in a folder, or there are no images.
    """
    try:
        members = [name for name in zip_members(file) if is_image(name)]
    except (zipfile.BadZipFile, OSError):
        return None
    if not members or any("/" in name for name in members):
        return None
    return _unpack(file, members)


def _unpack(file: Path, members: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(file) as archive:
        for member in members:
            where = f"{file.name}: {member}"
            try:
                check_size(archive.getinfo(member).file_size, where)
                encoded = archive.read(member)
            except DataError:
                raise
            # zipfile lets errors of its decompressors and its password check through.
            except Exception as error:
                raise DataError(f"{where}: cannot be unpacked ({_line(error)})") from error
            yield where, encoded


class ParquetImages:
    """A Parquet file with a column of images and one or more columns that name the class.

    The image column holds encoded images, paths of images relative to the file, or structs of both,
    {bytes, path}, as Hugging Face's datasets write them.
    """

    def __init__(self, file: Path, image_column: str, label_columns: Sequence[str]):
        self._file = file
        self._image_column = image_column
        with _parquet(self._file) as parquet:
            check_columns(file, parquet.schema_arrow.names, image_column, label_columns)
            self._check_type(parquet.schema_arrow.field(image_column).type)
            table = parquet.read(columns=list(dict.fromkeys(label_columns)))
        table = with_class_names(table, file)
        labels = [table.column(name).to_pylist() for name in label_columns]
        if not table.num_rows or not labels:
            raise DataError(f"{file.name}: needs one row and one task.label_column at least")
        for name, values in zip(label_columns, labels, strict=True):
            if None in values:
                raise DataError(f"{file.name}: row {values.index(None)} has no {name!r}")
        self.class_names = ["/".join(map(str, row)) for row in zip(*labels, strict=True)]

    def images(self) -> Iterator[tuple[str, bytes]]:
        """Yield each image as ("FILE.parquet: row 17", encoded bytes); rows count from 0.

        The first part also holds the path of an image that is stored by its path.
        """
        row = 0
        with _parquet(self._file) as parquet:
            for batch in parquet.iter_batches(256, columns=[self._image_column]):
                for value in batch.column(0).to_pylist():
                    where = f"{self._file.name}: row {row}"
                    content = content_of(value, self._file.parent)
                    if isinstance(content, Path):
                        where = f"{where}: {content}"
                        content = read_file(content, where)
                    if content is None:
                        raise DataError(f"{where}: has no image in column {self._image_column!r}")
                    yield where, content
                    row += 1

    def paths(self) -> list[Path]:
        """List the existing files of images that are stored by their paths."""
        import pyarrow as pa

        with _parquet(self._file) as parquet:
            kind = parquet.schema_arrow.field(self._image_column).type
            column = self._image_column
            if pa.types.is_struct(kind):
                if kind.get_field_index("path") < 0:
                    return []
                column = f"{column}.path"
            elif not _is_text(kind):
                return []
            cells = parquet.read(columns=[column]).column(0)
            if pa.types.is_struct(cells.type):
                cells = pa.chunked_array([chunk.field("path") for chunk in cells.chunks])
        files = [self._file.parent / path for path in cells.to_pylist() if path]
        return [file for file in files if file.exists()]

    def _check_type(self, kind: Any) -> None:
        import pyarrow as pa

        fields = {"": kind}
        if pa.types.is_struct(kind):
            names = [name for name in ("bytes", "path") if kind.get_field_index(name) >= 0]
            fields = {name: kind.field(name).type for name in names}
        empty = all(pa.types.is_null(field) for field in fields.values())
        if empty or not any(_is_image_or_path(field) for field in fields.values()):
            raise DataError(
                f"{self._file.name}: column {self._image_column!r} (task.image_column) holds "
                f"{_line(kind)}, not encoded images; allowed: binary, paths, or a struct with "
                "'bytes' or 'path'"
            )


def _is_image_or_path(kind: Any) -> bool:
    import pyarrow as pa

    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return _is_text(kind) or any(is_one(kind) for is_one in binary)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_one(kind) for is_one in texts)


def check_columns(
    file: Path, columns: Sequence[str], image_column: str, label_columns: Sequence[str]
) -> None:
    """Raise SourceError for the first column that a table lacks."""
    wanted = [("image_column", image_column), *(("label_column", name) for name in label_columns)]
    for key, name in wanted:
        if name not in columns:
            raise SourceError(
                f"{file.name} has no column {name!r} (task.{key}); it has "
                f"{listed(columns, name)}{_suggestion(key, columns)}"
            )


def _suggestion(key: str, columns: Sequence[str]) -> str:
    """Suggest the option to type, with the column's usual name if there is one."""
    usual = [name for name in _USUAL[key] if name in columns]
    return f": --set task.{key}={usual[0]}" if usual else f": --set task.{key}=NAME"


def class_names(members: Sequence[str], source: str) -> tuple[str, list[str]]:
    """Return the single top folder that holds all members, or "", and each member's class.

    Raises:
      DataError: a member is in no folder.
    """
    folders = [PurePosixPath(name).parts[:-1] for name in members]
    tops = {parts[:1] for parts in folders}
    nested = len(tops) == 1 and min(len(parts) for parts in folders) > 1
    names = ["/".join(parts[nested:]) for parts in folders]
    if "" in names:
        member = members[names.index("")]
        raise DataError(f"{source}: {member} is in no folder; a class is a folder of images")
    return folders[0][0] if nested else "", names


def is_image(member: str) -> bool:
    """Return whether a path, with forward slashes, is that of an image and not hidden."""
    return _is_visible(member) and PurePosixPath(member).suffix.lower() in SUFFIXES


def is_passed_over(member: str) -> bool:
    """Return whether a skipped file may be meant as an image; system files are not."""
    return _is_visible(member) and not is_image(member) and PurePosixPath(member).name not in _LEFT


def no_images(members: Iterable[str]) -> str:
    """Say why a folder or a zip of `members` has no usable image, and what to do."""
    suffixes = (PurePosixPath(name).suffix.lower() for name in members if is_passed_over(name))
    counts = Counter(suffixes)
    if others := [f"{counts[suffix]} {suffix}" for suffix in sorted(OTHER_IMAGES & set(counts))]:
        return (
            f"holds {' and '.join(others)} files, which are not read; convert them to .png or .jpg"
        )
    return "holds no images; expected CLASS/IMAGE.png and the like"


def zip_members(file: Path) -> list[str]:
    """List all names in a zip, sorted.

    Raises:
      BadZipFile, OSError: it is not a zip, or a pipe.
    """
    if not file.is_file():  # reading a pipe might never end
        raise FileNotFoundError(f"{file} is not a file")
    with zipfile.ZipFile(file) as archive:
        return sorted(archive.namelist())


def _is_visible(member: str) -> bool:
    parts = PurePosixPath(member).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not member.endswith("/") and not hidden


def _line(error: object) -> str:
    return str(error).partition("\n")[0]


@contextmanager
def _parquet(file: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as parquet:
            yield parquet
    except (pa.ArrowException, OSError) as error:
        message = f"{file}: not a readable Parquet file ({_line(error)})"
        raise DataError(message) from error
