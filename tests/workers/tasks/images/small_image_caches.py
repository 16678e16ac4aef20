"""A small source of images, and settings with a cache of their own."""

from small_images import members, write_zip

from workers.settings.images_task import ImagesTask


def small_zip(folder):
    """A zip of 3 classes of 4 images of 8 x 8."""
    return write_zip(folder / "a.zip", members(3, 4))


def settings(tmp_path, **changes):
    return ImagesTask(**{"cache": str(tmp_path / "cache"), "image_size": 8, **changes})
