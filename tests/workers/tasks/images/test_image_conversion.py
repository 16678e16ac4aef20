"""Sizes and channels of decoded images."""

import io

import numpy as np
from PIL import Image
from small_images import picture, png

from workers.tasks.images.image_cache import decode


def test_an_image_is_resized_with_lanczos_unless_it_has_the_size():
    pixels = picture(0, 0)
    np.testing.assert_array_equal(decode(png(pixels), "", 8, 1)[..., 0], pixels)
    smaller = Image.fromarray(pixels).resize((5, 5), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(decode(png(pixels), "", 5, 1)[..., 0], np.asarray(smaller))


def test_grey_and_colour_are_converted():
    colour = np.zeros((4, 4, 3), np.uint8)
    colour[..., 0] = 255
    assert decode(png(colour), "", 4, 3).tolist() == colour.tolist()
    assert set(decode(png(colour), "", 4, 1).ravel().tolist()) == {76}
    assert decode(png(picture(0, 0)), "", 8, 3).shape == (8, 8, 3)


def test_one_bit_images_become_0_and_255():
    stream = io.BytesIO()
    Image.fromarray(np.eye(4, dtype=bool)).save(stream, "png")
    assert decode(stream.getvalue(), "", 4, 1)[..., 0].tolist() == (np.eye(4) * 255).tolist()
