"""Colours that are not 8 bits of sRGB: deep greys, inks, Lab and profiles."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from workers.tasks.images.image_colours import as_shown
from workers.wire.errors import DataError

RAMP = np.linspace(0, 65535, 16).astype(np.uint16).reshape(4, 4)
#: TIFF's tag for whether 0 is black (1) or white (0).
PHOTOMETRIC = 262


def loaded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    found = Image.open(stream)
    found.load()
    return found


def profile_of(space):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


@pytest.mark.parametrize("white", [0, 1], ids=["0 is white", "0 is black"])
def test_greys_of_16_bits_keep_their_highest_8(white):
    image = loaded(Image.fromarray(RAMP), "tiff", tiffinfo={PHOTOMETRIC: white})
    shown, colour, done = as_shown(image, "a.tif", 1)
    expected = (RAMP >> 8) if white else 255 - (RAMP >> 8)
    assert np.asarray(shown).tolist() == expected.tolist()
    assert (colour, done) == (False, ["depth"])


def test_a_clear_grey_of_16_bits_is_put_on_white():
    image = loaded(Image.fromarray(RAMP), "png")
    image.info["transparency"] = int(RAMP[0, 0])
    shown, _, done = as_shown(image, "a.png", 1)
    expected = (RAMP >> 8).astype(int)
    expected[0, 0] = 255
    assert np.asarray(shown).tolist() == expected.tolist()
    assert done == ["depth", "transparent"]


def test_greys_of_32_bits_have_no_known_range():
    image = Image.fromarray(np.full((2, 2), 70000, np.int32))
    with pytest.raises(DataError, match=r"^a\.tif: pixels of mode I \(32 bits, or with a sign\)"):
        as_shown(loaded(image, "tiff"), "a.tif", 1)


@pytest.mark.parametrize("beyond", [-0.5, 1.5])
def test_greys_that_are_floats_are_of_0_to_1(beyond):
    values = np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)
    shown, _, _ = as_shown(Image.fromarray(values), "a.tif", 1)
    assert np.asarray(shown).tolist() == [[0, 64], [128, 255]]
    values[0, 1] = beyond
    with pytest.raises(DataError, match=r"^a\.tif: floating-point pixels from .*; 0 to 1 are"):
        as_shown(Image.fromarray(values), "a.tif", 1)


def test_lab_is_converted_to_srgb():
    # L* = 100 is white and L* = 0 black; 53 is the lightness of sRGB's middle grey, 127.
    lab = np.zeros((1, 3, 3), np.uint8)
    lab[0, :, 0] = [255, 0, round(53.19 * 2.55)]
    lab[0, :, 1:] = 128
    image = Image.frombytes("LAB", (3, 1), (lab ^ [0, 128, 128]).astype(np.uint8).tobytes())
    shown, colour, done = as_shown(image, "a.tif", 3)
    assert np.abs(np.asarray(shown).astype(int) - [[[255] * 3, [0] * 3, [127] * 3]]).max() <= 2
    assert colour
    assert done[0] == "lab"


def test_a_profile_of_srgb_changes_nothing_and_a_wrong_one_is_ignored():
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5
    for profile in (profile_of("sRGB"), b"no profile", profile_of("LAB")):
        image = Image.fromarray(pixels)
        image.info["icc_profile"] = profile
        shown, _, done = as_shown(image, "a.png", 3)
        assert np.array_equal(np.asarray(shown), pixels)
        assert not done


@pytest.mark.parametrize("mode", ["L", "LA", "La", "PA", "RGBa"])
def test_a_profile_of_another_kind_is_ignored_in_every_mode(mode):
    grey = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4) * 16)
    image = grey.convert("RGBA").convert("RGBa") if mode == "RGBa" else grey.convert("LA")
    image = image if mode == "RGBa" else image.convert(mode)
    image.info["icc_profile"] = profile_of("LAB")
    shown, _, done = as_shown(image, "a.png", 1)
    assert np.array_equal(np.asarray(shown), np.asarray(grey))
    assert "profile" not in done


def test_grey_that_is_multiplied_by_its_opacity_is_divided_by_it():
    pairs = np.array([[[50, 255], [50, 128], [0, 0]]], np.uint8)
    shown, colour, done = as_shown(Image.fromarray(pairs, "La"), "a.tif", 1)
    # 50 of 255 at half opacity is grey 100, half of it on white: 255 - (255 - 100) / 2.
    assert np.abs(np.asarray(shown).astype(int) - [[50, 177, 255]]).max() <= 1
    assert (colour, done) == (False, ["transparent"])
