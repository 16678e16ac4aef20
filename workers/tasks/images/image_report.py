"""The description of a source of images, and the notes on it for users."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.settings.images_task import ImagesTask
from workers.settings.task import Progress
from workers.tasks.images.data_sets.paths import find_data_sets
from workers.tasks.images.image_cache import ImageCache, open_cache
from workers.tasks.images.image_classes import ImageClasses
from workers.tasks.images.image_files import OTHER_IMAGES
from workers.tasks.images.image_notes import notes_of
from workers.tasks.images.image_sources import passed_over
from workers.tasks.images.split_folders import repeated
from workers.wire.errors import DataError

_REMEDY = "; none is on both sides of a task, but which class is right? leave the others out"


def survey(task: ImagesTask, progress: Progress) -> tuple[dict[str, Any], list[str]]:
    """Describe images that cannot be trained on, as far as possible, with notes for users."""
    try:
        sets = find_data_sets(task)
        files = [file for one in sets for file in one.files]
        images = open_cache(files, task, progress, sets)
    except DataError:
        return {}, []
    return describe_source(files, images), notes_of_source(files, ImageClasses(images), {})


def describe_source(files: Sequence[Path], images: ImageCache) -> dict[str, Any]:
    """Describe a source, whatever tasks are made of it."""
    counts = np.diff(images.offsets)
    _, height, width, channels = images.pixels.shape
    table: dict[str, Any] = {
        "source": [str(file) for file in files],
        "images": len(images.pixels),
        "classes": len(images.class_names),
        "examples_per_class": [int(counts.min()), int(counts.max())],
        "stored_as": f"{height} x {width} x {channels}, uint8",
        "pixel_mean": float(images.pixels.mean() / 255),
        "digest": images.digest,
        "cache": f"{images.file}, {images.file.stat().st_size / 1e6:.1f} MB",
    }
    if conversions := notes_of(images.conversions, images.pixels.shape[1:]):
        table["converted"] = "\n".join(conversions)
    return table


def notes_of_source(
    files: Sequence[Path], classes: ImageClasses, splits: Mapping[Any, NDArray[np.int32]]
) -> list[str]:
    """Report files that are skipped for their names, and repeated images."""
    notes = []
    by_suffix = passed_over(files)
    if by_suffix:
        counts = [f"{count} {suffix or 'without a suffix'}" for suffix, count in by_suffix.items()]
        pictures = sorted(OTHER_IMAGES & set(by_suffix))
        remedy = f"; convert {' and '.join(pictures)} to .png or .jpg" if pictures else ""
        number = sum(by_suffix.values())
        notes.append(
            f"{number} file{' is' if number == 1 else 's are'} skipped, not named like images: "
            f"{', '.join(counts)}{remedy}"
        )
    notes += _note_on_split_folders(classes.names)
    return notes + classes.copies(splits).notes("image", "class", "classes", _REMEDY, once=False)


def _note_on_split_folders(names: Sequence[str]) -> list[str]:
    """Report names like train/cat and test/cat: they count as two classes, in any split."""
    found = repeated(names)
    if not found:
        return []
    folders = sorted({folder for own in found.values() for folder in own})
    return [
        f"{len(found)} class name{'s' if len(found) > 1 else ''}, such as {next(iter(found))!r}, "
        f"occur in each of the folders {' and '.join(folders)}, and count as a class in each: "
        "test classes may be trained on; put the images of a class into one folder, or name one "
        "of the folders"
    ]
