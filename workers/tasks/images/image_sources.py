"""The files that task.path stands for."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from workers.tasks.folder_files import members_of
from workers.tasks.images.image_files import (
    OTHER_IMAGES,
    ImageFile,
    ParquetImages,
    ZipImages,
    is_image,
    is_passed_over,
    no_images,
    zip_members,
)
from workers.tasks.images.image_folders import (
    CsvImages,
    FolderImages,
    has_class_folders,
    stat_digest,
)
from workers.tasks.pipes import refuse_pipe
from workers.tasks.split_files import SPLIT_OF, split_tables
from workers.tasks.splits import SPLITS
from workers.tasks.table.table_files import TEXT_SUFFIXES
from workers.wire.errors import DataError, SourceError

OMNIGLOT_ZIPS = ("images_background.zip", "images_evaluation.zip")
#: Endings of files of images.
SUFFIXES = (".zip", ".parquet", *TEXT_SUFFIXES)
_SHARD = re.compile(r"(?P<name>.+)-\d{5}-of-(?P<of>\d{5})\.parquet")
_FORMS = f"{', '.join(SUFFIXES)} or folder"


def find_files(path: str | Sequence[str] | None) -> list[Path]:
    """Find the .zip, .parquet and .csv files and the folders of classes at `path`.

    Args:
      path: one or several of them, or a folder that holds Omniglot's two zips or exactly one
        file; None: $METATRAIN_DATA/omniglot, else ./data/omniglot.
    Raises:
      DataError: there is no such file, or several would fit.
    """
    if path is None:
        return _in_folder(default_folder())
    paths = [Path(one).expanduser() for one in ([path] if isinstance(path, str) else path)]
    files = [file for one in paths for file in _files_of(one)]
    if not files or repeated_file(files) is not None:
        raise SourceError(f"task.path = {path!r} must name one or more files, each once")
    return files


def repeated_file(files: Sequence[Path]) -> Path | None:
    """Return the first file that is among `files` twice, perhaps by a link; None if none is."""
    met: set[Path] = set()
    for file in files:
        if file.resolve() in met:
            return file
        met.add(file.resolve())
    return None


def source_digest(
    files: Sequence[Path], image_column: str, label_column: str | Sequence[str]
) -> str:
    """Hash the content of files in order; for images in folders, their names, sizes and times."""
    total = hashlib.sha256()
    for file in files:
        if file.is_dir():
            total.update(FolderImages(file).digest().encode())
        elif file.suffix.lower() in TEXT_SUFFIXES:
            total.update(CsvImages(file, image_column, _list(label_column)).digest().encode())
            total.update(_folder_of(file, files).encode())
        else:
            with file.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
            if file.suffix.lower() == ".parquet":
                paths = ParquetImages(file, image_column, _list(label_column)).paths()
                total.update(stat_digest(paths).encode() if paths else b"")
    return total.hexdigest()


def open_sources(
    files: Sequence[Path], image_column: str, label_column: str | Sequence[str]
) -> list[ImageFile]:
    """Open each file and read the classes of its images.

    Raises:
      DataError: a file is not what its name says, has no images, or lacks a column; or two zips
        share a class below different top folders, so that it may be two classes.
    """
    labels = _list(label_column)
    sources: list[ImageFile] = []
    tops: dict[str, tuple[Path, str]] = {}
    for file in files:
        if file.suffix.lower() == ".parquet":
            sources.append(ParquetImages(file, image_column, labels))
            continue
        if file.suffix.lower() in TEXT_SUFFIXES:
            sources.append(CsvImages(file, image_column, labels, _folder_of(file, files)))
            continue
        archive = FolderImages(file) if file.is_dir() else ZipImages(file)
        sources.append(archive)
        for name in dict.fromkeys(archive.class_names):
            other, top = tops.setdefault(name, (file, archive.top))
            if top != archive.top:
                raise DataError(
                    f"class {name!r} is in {other.name} below {top!r} and in {file.name} below "
                    f"{archive.top!r}: one class or two? put both into one zip, which keeps the "
                    "folders that tell classes apart"
                )
    return sources


def _folder_of(file: Path, files: Sequence[Path]) -> str:
    """Return "train/" for the train.csv of three tables of a split: its classes are below that."""
    splits = {SPLIT_OF.get(other.stem.lower()) for other in files}
    parted = len(files) == len(splits) == 3 and None not in splits
    return f"{file.stem}/" if parted else ""


def passed_over(files: Sequence[Path]) -> dict[str, int]:
    """Count the files in folders and zips that are skipped for their names, by suffix.

    Returns:
      suffix -> count, largest first.
    """
    counts: Counter[str] = Counter()
    for file in files:
        if file.is_dir():
            members = members_of(file)
        elif file.suffix.lower() == ".zip":
            members = iter(zip_members(file))
        else:
            continue
        counts.update(Path(name).suffix.lower() for name in members if is_passed_over(name))
    return dict(counts.most_common())


def _list(column: str | Sequence[str]) -> list[str]:
    return [column] if isinstance(column, str) else list(column)


def default_folder() -> Path:
    """Find the data folder's omniglot/. Raises SourceError, which says how to set a path."""
    root = os.environ.get("METATRAIN_DATA")
    folders = [Path(root).expanduser() / "omniglot"] if root else []
    folders.append(Path("data/omniglot"))
    for folder in folders:
        if folder.is_dir():
            return folder
    raise SourceError(
        "task.path is not set; give a folder of class folders, or a .zip, .parquet, .csv or .tsv "
        f"file: --set task.path=PATH (Omniglot is not in {' or '.join(map(str, folders))} either)"
    )


def _files_of(path: Path) -> list[Path]:
    if not path.exists():
        raise SourceError(
            f"task.path: {path} does not exist; use a .zip, .parquet, .csv, .tsv or folder"
        )
    if path.is_dir():
        return _in_folder(path)
    refuse_pipe(path)
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        raise SourceError(f"task.path: {path} is not a {_FORMS}")
    return [path]


def _in_folder(folder: Path) -> list[Path]:
    omniglot = [folder / name for name in OMNIGLOT_ZIPS]
    if all(file.is_file() for file in omniglot):
        return omniglot
    for place in (folder, folder / "split", folder / "splits"):  # as mini-ImageNet is published
        if tables := split_tables(place, ".csv"):
            return [tables[split] for split in SPLITS]
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in SUFFIXES and file.is_file() and not file.name.startswith(".")
    )
    # Many data sets come with lists in .tsv files.
    files = [file for file in files if file.suffix.lower() != ".tsv"] or files
    if has_class_folders(folder):
        if not files:
            return [folder]
        raise SourceError(
            f"task.path: {folder} holds folders of images and {files[0].name}: name the file, or "
            "move it elsewhere to use the folders as classes"
        )
    if not files:
        _refuse_loose_images(folder)
    if len(files) != 1 and not _are_shards(files):
        names = ", ".join(file.name for file in files) or "none"
        raise SourceError(
            f"task.path: {folder} must hold {' and '.join(OMNIGLOT_ZIPS)}, exactly one .zip, "
            f".parquet or .csv, or a folder of images per class, but holds {names}; name the files "
            "with --set task.path=..."
        )
    return files


def _are_shards(files: Sequence[Path]) -> bool:
    """Return whether all files are parts of one table, numbered as by Hugging Face's `datasets`."""
    parts = [_SHARD.fullmatch(file.name) for file in files]
    names = {(part["name"], int(part["of"])) for part in parts if part}
    return len(names) == 1 and all(parts) and len(files) == next(iter(names))[1]


def _refuse_loose_images(folder: Path) -> None:
    """Raise SourceError if `folder` holds images outside class folders, or of other kinds."""
    members = list(members_of(folder))
    if loose := sum(is_image(member) for member in members):
        raise SourceError(
            f"task.path: {folder} holds {loose} image{'s' if loose > 1 else ''} outside class "
            "folders; put the images of a class into a folder with its name, or name image and "
            "class in a .csv beside them"
        )
    if any(Path(member).suffix.lower() in OTHER_IMAGES for member in members):
        raise SourceError(f"task.path: {folder} {no_images(members)}")
