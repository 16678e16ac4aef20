"""Decoding of an image as a viewer shows it: turned upright, composited, in sRGB, with 8 bits.

Training and `adapt` both read images here, so that they get equal pixels. The gamma chunk of a PNG
is not applied.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from workers.tasks.images import image_colours
from workers.wire.errors import DataError

#: Part of a cache's name; raised whenever the same file gives other pixels.
DECODING = 3
_ORIENTATION = 0x0112
# Three copies of this many pixels fit into 1 GB.
_MOST_PIXELS = 89_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image.

    pixels: uint8 [size, size, channels].
    width, height: before it was resized, pixels.
    in_colour: whether the file has colours.
    done: what was done to it, names of `image_notes.DONE`.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    in_colour: bool
    done: tuple[str, ...]


def decode(encoded: bytes, where: str, size: int, channels: int) -> NDArray[np.uint8]:
    """Decode an image's pixels, see `decode_picture`."""
    return decode_picture(encoded, where, size, channels).pixels


def decode_picture(encoded: bytes, where: str, size: int, channels: int) -> Picture:
    """Decode an image; resize it with Lanczos, unless it has that size.

    Args:
      where: its name in errors. channels: 1, grey, or 3.
    Raises:
      DataError: Pillow cannot read it, it is truncated or too large, or its range is unknown.
    """
    return _opened(encoded, where, lambda image: _decode(image, where, size, channels))


def measure(encoded: bytes, where: str) -> tuple[int, int, bool]:
    """Read width, height, and whether an image is in colour, from its header.

    Raises:
      DataError: Pillow cannot read it.
    """
    return _opened(encoded, where, _measure)


def _opened(encoded: bytes, where: str, use: Callable[[Any], T]) -> T:
    """Open an image and return `use(image)`; all errors of Pillow become a DataError."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Warnings on damaged metadata, which viewers ignore too.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(encoded)) as image:
                if image.width * image.height > _MOST_PIXELS:
                    raise Image.DecompressionBombError
                return use(image)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        most = f"{_MOST_PIXELS // 10**6} million"
        raise DataError(f"{where}: has more than {most} pixels; make it smaller") from None
    # What Pillow raises on damaged files depends on the format and on the damage.
    except Exception as error:
        kind = type(error).__name__
        why = f"{kind}: cut short" if "truncated" in str(error) else kind
        raise DataError(f"{where}: not an image that Pillow can read ({why})") from error


def _decode(image: Any, where: str, size: int, channels: int) -> Picture:
    from PIL import Image

    done = ["several"] if _has_more(image) else []
    image_colours.scale_clear_colour(image)  # Pillow loads a PNG to find its orientation
    turned = _orientation(image) > 1
    image.load()
    info = dict(image.info)
    shown, colour, changes = image_colours.as_shown(image, where, channels)
    done += changes
    if turned or _orientation(image) > 1:
        done.append("turned")
        shown = _turned(shown, _orientation(image))
    if image_colours.has_own_gamma(info):
        done.append("gamma")
    width, height = shown.size
    if shown.size != (size, size):
        shown = shown.resize((size, size), Image.Resampling.LANCZOS)
    pixels = np.asarray(shown).reshape(size, size, channels)
    return Picture(pixels, width, height, colour, tuple(done))


def _measure(image: Any) -> tuple[int, int, bool]:
    width, height = image.size
    if _orientation(image) > 4 and image.format != "TIFF":  # a TIFF's size is the shown one
        width, height = height, width
    return width, height, image_colours.is_colour(image)


def _has_more(image: Any) -> bool:
    """Return whether there are more frames or pages, except previews that cameras add to JPEGs."""
    try:
        return bool(getattr(image, "is_animated", False)) and image.format != "MPO"
    except Exception:  # a damaged second frame is never read
        return True


def _orientation(image: Any) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if metadata are damaged. Pillow turns a TIFF."""
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except Exception:
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _turned(shown: Any, orientation: int) -> Any:
    from PIL.Image import Transpose

    ways = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return shown.transpose(ways[orientation]) if orientation > 1 else shown
