"""What a source of images holds, and what people should know of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.settings.images_task import ImagesTask
from workers.settings.task import Progress
from workers.tasks.images.image_cache import ImageCache, open_cache
from workers.tasks.images.image_classes import ImageClasses
from workers.tasks.images.image_files import OTHER_IMAGES
from workers.tasks.images.image_notes import notes_of
from workers.tasks.images.image_sources import find_files, passed_over
from workers.wire.errors import DataError

# What people call the folders of a split by images, which here are parts of a class's name.
_SPLIT_FOLDERS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}
_WHICH = "; none is on both sides of a task, but which class is right? leave the others out"


def survey(task: ImagesTask, progress: Progress) -> tuple[dict[str, Any], list[str]]:
    """Describe images that cannot be trained on, as far as it goes, with notes for people."""
    try:
        files = find_files(task.path)
        images = open_cache(files, task, progress)
    except DataError:
        return {}, []
    return describe_source(files, images), notes_of_source(files, ImageClasses(images), {})


def describe_source(files: Sequence[Path], images: ImageCache) -> dict[str, Any]:
    """What is in a source, whatever tasks are made of it."""
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
    if done := notes_of(images.seen, images.pixels.shape[1:]):
        table["converted"] = "\n".join(done)
    return table


def notes_of_source(
    files: Sequence[Path], classes: ImageClasses, splits: Mapping[Any, NDArray[np.int32]]
) -> list[str]:
    """Files that are passed over by their names, and images that are there more than once."""
    notes = []
    by_suffix = passed_over(files)
    if by_suffix:
        told = [f"{number} {suffix or 'without a suffix'}" for suffix, number in by_suffix.items()]
        pictures = sorted(OTHER_IMAGES & set(by_suffix))
        remedy = f"; convert {' and '.join(pictures)} to .png or .jpg" if pictures else ""
        number = sum(by_suffix.values())
        notes.append(
            f"{number} file{' is' if number == 1 else 's are'} passed over, not named as images "
            f"are: {', '.join(told)}{remedy}"
        )
    notes += _of_several_folders(classes.names)
    return notes + classes.copies(splits).notes("image", "class", "classes", _WHICH)


def _of_several_folders(names: Sequence[str]) -> list[str]:
    """Whether train/cat and test/cat count as two classes, and each may be in either split."""
    tops: dict[str, set[str]] = {}
    for top, slash, rest in (name.partition("/") for name in names):
        if slash and top.lower() in _SPLIT_FOLDERS:
            tops.setdefault(rest, set()).add(top)
    twice = [rest for rest, those in tops.items() if len(those) > 1]
    if not twice:
        return []
    folders = sorted(set.union(*(tops[rest] for rest in twice)))
    return [
        f"{len(twice)} name{'s' if len(twice) > 1 else ''} of classes, such as {twice[0]!r}, "
        f"are in the folders {' and '.join(folders)} alike, and count as a class in each: what is "
        "tested may be trained on; put the images of a class into one folder, or name one of "
        "the folders"
    ]
