"""One image, as a viewer shows it: turned, composited, in sRGB, with 8 bits.

Pixels alone are not what people see. Training and `adapt` both read images here, so that what is
adapted to was made as what was trained on. A gamma chunk (PNG) is not applied.
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

#: Part of a cache's name: another number where the same file gives other pixels.
DECODING = 3
_ORIENTATION = 0x0112
# Three copies of so many pixels fit into 1 GB.
_MOST_PIXELS = 89_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as it is shown.

    pixels: uint8 [size, size, channels]. width, height: before it was resized. in_colour: whether
    the file has colours. done: what was done to show it, names of `image_notes.DONE`.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    in_colour: bool
    done: tuple[str, ...]


def decode(encoded: bytes, where: str, size: int, channels: int) -> NDArray[np.uint8]:
    """The pixels of `see`."""
    return see(encoded, where, size, channels).pixels


def see(encoded: bytes, where: str, size: int, channels: int) -> Picture:
    """Decode an image and resize it with Lanczos, unless it has that size.

    Args:
      where: what it is called in errors. channels: 1, grey, or 3.
    Raises:
      DataError: Pillow cannot read it, it is cut short or too large, or its range is not known.
    """
    return _opened(encoded, where, lambda image: _see(image, where, size, channels))


def measure(encoded: bytes, where: str) -> tuple[int, int, bool]:
    """Width, height, and whether it is in colour, by its header.

    Raises:
      DataError: Pillow does not know it.
    """
    return _opened(encoded, where, _measure)


def _opened(encoded: bytes, where: str, use: Callable[[Any], T]) -> T:
    """What `use` makes of the image; all that Pillow raises is told in one line."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Of damaged metadata, which viewers pass over too.
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


def _see(image: Any, where: str, size: int, channels: int) -> Picture:
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
    if _orientation(image) > 4 and image.format != "TIFF":  # that size is told as it is shown
        width, height = height, width
    return width, height, image_colours.is_colour(image)


def _has_more(image: Any) -> bool:
    """Frames or pages beside the first, but for the previews that cameras add to a JPEG."""
    try:
        return bool(getattr(image, "is_animated", False)) and image.format != "MPO"
    except Exception:  # a damaged second frame is not looked at
        return True


def _orientation(image: Any) -> int:
    """1 to 8, as EXIF counts them; 1 where metadata are damaged. Pillow itself turns a TIFF."""
    try:
        found = image.getexif().get(_ORIENTATION)
    except Exception:
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


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
