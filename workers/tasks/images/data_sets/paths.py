"""The data sets that task.path and task.test_path name, where each task is of one of them."""

import os.path
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.settings.images_task import ImagesTask
from workers.tasks.images.image_sources import SUFFIXES, default_folder, find_files, repeated_file
from workers.wire.errors import SourceError


@dataclass(frozen=True, slots=True)
class DataSet:
    """A source whose classes a task may mix.

    name: "" if the classes of all sources are mixed.
    files: as `find_files` returns them.
    is_test: whether it is of task.test_path: all of its classes are test classes.
    """

    name: str
    files: tuple[Path, ...]
    is_test: bool = False

    def class_name(self, name: str) -> str:
        """Put the data set's name before that of one of its classes."""
        return f"{self.name}/{name}" if self.name else name


def find_data_sets(settings: ImagesTask) -> list[DataSet]:
    """Find the files of each data set, those of task.path first; one of all files if it mixes.

    Raises:
      SourceError: a path does not exist or is no source of images; or two name the same file.
    """
    if settings.mix:
        return [DataSet("", tuple(find_files(settings.path)))]
    trained, tested = settings.paths, settings.test_paths
    files = [find_files(path) for path in (*trained, *tested)]
    if (twice := repeated_file([file for own in files for file in own])) is not None:
        raise SourceError(
            f"task.path and task.test_path name {twice} twice; a data set is named once"
        )
    names = names_of(
        [default_folder() if path is None else Path(path) for path in trained + tested]
    )
    return [
        DataSet(name, tuple(own), place >= len(trained))
        for place, (name, own) in enumerate(zip(names, files, strict=True))
    ]


def names_of(paths: Sequence[Path]) -> list[str]:
    """Name data sets by the ends of their paths: birds for /data/birds.zip.

    Those of one name get more of their paths: a-images and b-images for a/images and b/images.

    Raises:
      SourceError: nothing tells two of them apart.
    """
    normal = [Path(os.path.normpath(path.expanduser().absolute())) for path in paths]
    lengths = [0] * len(normal)
    while True:
        names = [_end(path, length) for path, length in zip(normal, lengths, strict=True)]
        counts = Counter(names)
        alike = [place for place, name in enumerate(names) if counts[name] > 1]
        if not alike:
            return names
        if all(lengths[place] >= len(normal[place].parts) for place in alike):
            raise SourceError(
                f"task.path: {normal[alike[0]]} and {normal[alike[1]]} are data sets of one name; "
                "rename one"
            )
        for place in alike:
            lengths[place] += 1


def _end(path: Path, length: int) -> str:
    """Return the last `length` parts of a path; of 0, its name without the suffix of a file."""
    if length == 0:
        return path.stem if path.suffix.lower() in SUFFIXES else path.name
    return "-".join(path.parts[1:][-length:])
