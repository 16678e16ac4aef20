"""The common height, width and channels of all images."""

from collections.abc import Sequence

import numpy as np

from workers.settings.images_task import ImagesTask
from workers.tasks.images.image_decoding import measure
from workers.tasks.images.image_files import ImageFile

# 84 is the usual size in few-shot learning of photographs; four halvings need 16.
_LARGEST, _SMALLEST = 84, 16


def shape_of(sources: Sequence[ImageFile], settings: ImagesTask) -> tuple[int, int]:
    """Choose the size (height and width), and the channels: as set, or by the images.

    Only headers are read: the size is the median of the shorter sides, 16 to 84; there are 3
    channels if any image is in colour.

    Raises:
      DataError: Pillow cannot read an image's header.
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
