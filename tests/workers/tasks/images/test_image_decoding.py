"""What a viewer shows is what is trained on."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin
from small_images import png

from workers.tasks.images.image_colours import as_shown, scale_clear_colour
from workers.tasks.images.image_decoding import decode, decode_picture, measure
from workers.wire.errors import DataError

#: 4 x 6, so that each way of turning it is another image.
UPRIGHT = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
#: EXIF orientation -> how the stored pixels lie.
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT),
    7: UPRIGHT.T[::-1, ::-1],
    8: np.rot90(UPRIGHT, -1),
}


def encoded(image, kind="PNG", **how):
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return stream.getvalue()


def full(content, channels=1):
    """Decoded at its own size, if that is 8 x 8."""
    return decode(content, "here", 8, channels)


def flat(*colour, mode, size=(8, 8)):
    return Image.new(mode, size, colour if len(colour) > 1 else colour[0])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_an_image_is_turned_as_its_orientation_says(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    big = np.kron(STORED[orientation], np.ones((8, 8), np.uint8))
    how = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(kind, {})
    content = encoded(Image.fromarray(big), kind, exif=exif, **how)
    shown = decode_picture(content, "here", 48, 1)
    assert (shown.width, shown.height) == (48, 32)
    assert measure(content, "here")[:2] == (48, 32)
    assert ("turned" in shown.done) == (orientation > 1)
    upright = Image.fromarray(np.kron(UPRIGHT, np.ones((8, 8), np.uint8)))
    expected = np.asarray(upright.resize((48, 48), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(shown.pixels[..., 0].astype(int) - expected).max() <= (kind == "JPEG") * 3 + 1


def test_damaged_metadata_leave_an_image_as_it_is():
    image = Image.fromarray(UPRIGHT)
    content = encoded(image, "JPEG", exif=b"Exif\x00\x00MM\x00*damaged", quality=100)
    assert decode_picture(content, "here", 6, 1).done == ()


def on_white(mode, colour):
    if mode == "P":
        image = flat(0, mode="P")
        image.putpalette([200, 0, 0, 1, 1, 1])
        return encoded(image, transparency=0)
    return encoded(flat(*colour, mode=mode))


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGBA", (200, 0, 0, 0), [255, 255, 255]),
        ("RGBA", (200, 0, 0, 255), [200, 0, 0]),
        ("RGBA", (200, 0, 0, 51), [244, 204, 204]),
        ("LA", (0, 0), [255, 255, 255]),
        ("LA", (100, 255), [100, 100, 100]),
        ("P", (), [255, 255, 255]),
    ],
)
def test_what_is_transparent_lies_on_white(mode, colour, expected):
    content = on_white(mode, colour)
    assert full(content, 3)[0, 0].tolist() == expected
    opaque = mode != "P" and colour[-1] == 255
    assert ("transparent" in decode_picture(content, "here", 8, 3).done) != opaque


@pytest.mark.parametrize("mode", ["L", "RGB", "1"])
def test_a_colour_that_is_declared_transparent_is_white(mode):
    clear = {"L": 7, "RGB": (7, 8, 9), "1": 0}[mode]
    image = flat(clear, mode=mode)
    content = encoded(image, transparency=clear)
    assert full(content, 3)[0, 0].tolist() == [255, 255, 255]


def chunk(name, content):
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def png_of_samples(bits, colour_type, line, clear):
    """4 x 1 pixels, and the samples of the colour that is transparent."""
    header = struct.pack(">IIBBBBB", 4, 1, bits, colour_type, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)),
            chunk(b"IDAT", zlib.compress(b"\0" + line)),
            chunk(b"IEND", b""),
        ]
    )


@pytest.mark.parametrize(
    ("bits", "line", "clear", "expected"),
    [
        (2, bytes([0b01101100]), [1], [255, 170, 255, 0]),
        (2, bytes([0b01101100]), [2], [85, 255, 255, 0]),
        (4, bytes([0x50, 0x1F]), [5], [255, 0, 17, 255]),
        (4, bytes([0x50, 0x1F]), [1], [85, 0, 255, 255]),
    ],
)
def test_a_transparent_grey_of_few_bits_is_white(bits, line, clear, expected):
    content = png_of_samples(bits, 0, line, clear)
    with Image.open(io.BytesIO(content)) as image:
        scale_clear_colour(image)
        image.load()
        shown, _, done = as_shown(image, "here", 1)
    assert np.asarray(shown)[0].tolist() == expected
    assert done == ["transparent"]


@pytest.mark.parametrize(
    ("clear", "expected"),
    [((0x12C8, 0x3456, 0x789A), [255] * 3), ((0x12, 0x34, 0x78), [0x12, 0x34, 0x78])],
)
def test_a_transparent_colour_of_16_bits_is_compared_by_its_highest_8(clear, expected):
    line = struct.pack(">12H", *(0x12C8, 0x3456, 0x789A) * 4)
    content = png_of_samples(16, 2, line, clear)
    assert full(content, 3)[0, 0].tolist() == expected


def test_16_bits_are_the_highest_8_of_them():
    deep = np.array([[0, 255, 256, 32768, 65535]] * 5, np.uint16)
    expected = [0, 0, 1, 128, 255]
    tiff = encoded(Image.fromarray(deep), "TIFF")
    netpbm = b"P5 5 5 65535\n" + deep.astype(">u2").tobytes()
    for content in (png(deep), tiff, netpbm):
        assert decode(content, "here", 5, 1)[0, :, 0].tolist() == expected
        assert decode_picture(content, "here", 5, 1).done == ("depth",)


def test_floats_from_0_to_1_are_grey_and_others_are_refused():
    ramp = np.tile(np.linspace(0, 1, 5, dtype=np.float32), (5, 1))
    content = encoded(Image.fromarray(ramp), "TIFF")
    assert decode(content, "here", 5, 1)[0, :, 0].tolist() == [0, 64, 128, 191, 255]
    for bad in (ramp * 255, ramp - 0.5, ramp * np.nan):
        with pytest.raises(DataError, match=r"here: floating-point pixels from .*; 0 to 1"):
            decode(encoded(Image.fromarray(bad), "TIFF"), "here", 5, 1)


def test_whole_numbers_of_32_bits_are_refused_for_their_range_is_not_known():
    content = encoded(Image.fromarray(np.full((5, 5), 70000, np.int32)), "TIFF")
    with pytest.raises(DataError, match=r"here: pixels of mode I .*; allowed: 16 bits or fewer"):
        decode(content, "here", 5, 1)


def test_inks_are_converted():
    content = encoded(flat(0, 255, 255, 0, mode="CMYK"), "JPEG", quality=100)
    shown = decode_picture(content, "here", 8, 3)
    assert shown.done == ("inks",)
    assert np.abs(shown.pixels[0, 0].astype(int) - [255, 0, 0]).max() <= 2


def a_profile(swap=True):
    """sRGB with red and green exchanged, so that whoever follows it shows other colours."""
    content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if not swap:
        return content
    table = bytearray(content)
    count = int.from_bytes(table[128:132], "big")
    tags = [132 + 12 * i for i in range(count)]
    red, green = (next(t for t in tags if table[t : t + 4] == name) for name in (b"rXYZ", b"gXYZ"))
    table[red : red + 4], table[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(table)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_an_embedded_profile_is_followed(kind):
    how = {"quality": 100} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    content = encoded(flat(220, 10, 10, mode="RGB"), kind, icc_profile=a_profile(), **how)
    shown = decode_picture(content, "here", 8, 3)
    assert shown.done == ("profile",)
    assert np.abs(shown.pixels[0, 0].astype(int) - [10, 220, 10]).max() <= 4


def test_a_profile_of_srgb_or_of_another_kind_or_a_damaged_one_changes_no_bit():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    grey = pixels[..., 0]
    assert full(encoded(Image.fromarray(pixels), icc_profile=a_profile(False)), 3).tolist() == (
        pixels.tolist()
    )
    assert full(encoded(Image.fromarray(grey), icc_profile=a_profile()))[..., 0].tolist() == (
        grey.tolist()
    )
    assert full(encoded(Image.fromarray(pixels), icc_profile=b"no profile"), 3).tolist() == (
        pixels.tolist()
    )


def test_a_transparent_image_with_a_profile_follows_it_and_lies_on_white():
    image = flat(220, 10, 10, 0, mode="RGBA")
    image.paste((220, 10, 10, 255), (0, 0, 4, 8))
    shown = decode_picture(encoded(image, icc_profile=a_profile()), "here", 8, 3)
    assert shown.done == ("transparent", "profile")
    assert np.abs(shown.pixels[0, 0].astype(int) - [10, 220, 10]).max() <= 4
    assert shown.pixels[0, 7].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_or_pages_the_first_is_taken(kind):
    frames = [flat(value, mode="L") for value in (200, 0)]
    how = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **how)
    shown = decode_picture(content, "here", 8, 1)
    assert shown.done == ("several",)
    assert set(shown.pixels.ravel().tolist()) == {200}


def test_a_gamma_of_its_own_is_told_and_not_applied():
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"gAMA", (100_000).to_bytes(4, "big"))
    shown = decode_picture(encoded(flat(100, mode="L"), pnginfo=chunks), "here", 8, 1)
    assert shown.done == ("gamma",)
    assert set(shown.pixels.ravel().tolist()) == {100}
    usual = PngImagePlugin.PngInfo()
    usual.add(b"gAMA", (45455).to_bytes(4, "big"))
    assert decode_picture(encoded(flat(100, mode="L"), pnginfo=usual), "here", 8, 1).done == ()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM"])
def test_an_image_that_is_cut_short_is_refused_by_its_name(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    content = encoded(Image.fromarray(noise), kind)
    with pytest.raises(DataError, match=r"^here: not an image that Pillow can read") as refused:
        decode(content[: len(content) // 2], "here", 8, 3)
    assert "\n" not in str(refused.value)


def test_an_image_that_would_not_fit_in_memory_is_refused_before_it_is_decoded():
    content = bytearray(png(np.zeros((8, 8), np.uint8)))
    content[16:24] = (20_000).to_bytes(4, "big") + (10_000).to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    with pytest.raises(DataError, match="more than 89 million pixels; make it smaller"):
        decode(bytes(content), "here", 8, 1)


def test_a_palette_of_greys_is_grey():
    image = flat(1, mode="P")
    image.putpalette([0, 0, 0, 9, 9, 9])
    assert not decode_picture(encoded(image), "here", 8, 1).in_colour
    image.putpalette([0, 0, 0, 9, 9, 8])
    assert decode_picture(encoded(image), "here", 8, 1).in_colour
