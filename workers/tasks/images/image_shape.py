"""What every image is made: the height, the width and the channels."""

from collections.abc import Sequence

import numpy as np

from workers.settings.images_task import ImagesTask
from workers.tasks.images.image_decoding import measure
from workers.tasks.images.image_files import ImageFile

# What few-shot learning of photographs uses; four halvings need 16.
_LARGEST, _SMALLEST = 84, 16


def shape_of(sources: Sequence[ImageFile], settings: ImagesTask) -> tuple[int, int]:
    """Height and width, and channels: as they are set, or as most of the images are.

    By the headers alone: the size is the median of the shorter sides, from 16 to 84; there are 3
    channels where an image is in colour.

    Raises:
      DataError: an image has no header that Pillow knows.
    """
    size, channels = settings.image_size, settings.channels
    if size != "auto" and channels != "auto":
        return size, channels
    sides, colour = [], False
    for source in sources:
        for where, encoded in source.images():
            width, height, is_colour = measure(encoded, where)
            sides.append(min(width, height))
            colour = colour or is_colour
    median = int(np.clip(np.median(sides), _SMALLEST, _LARGEST))
    return median if size == "auto" else size, (
        3 if colour else 1
    ) if channels == "auto" else channels
