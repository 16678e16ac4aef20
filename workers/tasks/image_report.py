"""What a source of images holds, and what people should know of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.tasks.image_cache import ImageCache
from workers.tasks.image_classes import ImageClasses
from workers.tasks.image_notes import notes_of
from workers.tasks.image_sources import passed_over

_WHICH = "; none is on both sides of a task, but which class is right? leave the others out"
# Kinds of images that Pillow does not read as it comes, or that are not looked for.
_OTHER_IMAGES = {".heic", ".heif", ".avif", ".jfif", ".jp2", ".svg", ".raw", ".dng", ".cr2"}
_OTHER_IMAGES |= {".nef", ".arw", ".psd", ".tga", ".exr", ".ico", ".jxl", ".jpe", ".dcm", ".npy"}


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
        pictures = sorted(_OTHER_IMAGES & set(by_suffix))
        remedy = f"; convert {' and '.join(pictures)} to .png or .jpg" if pictures else ""
        number = sum(by_suffix.values())
        notes.append(
            f"{number} file{' is' if number == 1 else 's are'} passed over, not named as images "
            f"are: {', '.join(told)}{remedy}"
        )
    return notes + classes.copies(splits).notes("image", "class", "classes", _WHICH)
