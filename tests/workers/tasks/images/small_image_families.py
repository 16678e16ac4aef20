"""Families of small images."""

from small_images import members, write_zip

from workers.settings.images_task import ImagesTask
from workers.tasks.images.family import ImagesFamily
from workers.wire.protocol import Draw


def image_family_maker(folder):
    """Make families over a zip of 20 classes of 6 images of 8 x 8: 13 / 3 / 4 classes."""
    source = write_zip(folder / "a.zip", members(20, 6))

    def make_with(**changes):
        common = {"path": str(source), "cache": str(folder / "cache"), "image_size": 8, "ways": 3}
        return ImagesFamily(ImagesTask(**{**common, **changes}))

    return make_with


DRAW = Draw(seed=3, split="train", step=7)
