"""Conversion of an image's colours to 8 bits of grey or sRGB, as a viewer shows them."""

import functools
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.wire.errors import DataError

_GREY = ("1", "L", "LA", "La", "I", "F")
_WITH_ALPHA = ("RGBA", "RGBa", "LA", "PA")
# A profile that changes no colour by more than this is sRGB under another name.
_SAME_COLOUR = 2
_SRGB_GAMMA = 1 / 2.2
# TIFF tags: whether 0 is black or white, and the bits of a sample.
_PHOTOMETRIC, _BITS = 262, 258
# PNG: the factor by which Pillow scales a sample of 2 or 4 bits to 8.
_SCALE_TO_8_BITS = {"L;2": 85, "L;4": 17}


def as_shown(image: Any, where: str, channels: int) -> tuple[Any, bool, list[str]]:
    """Convert a loaded image to mode "L" (1 channel) or "RGB".

    Transparent parts are put on white. An embedded colour profile is applied.

    Returns:
      the image, whether it is in colour, and what was done to it: names of `image_notes.DONE`.
    Raises:
      DataError: the range of its pixels is unknown.
    """
    done: list[str] = []
    colour, mode = is_colour(image), "L" if channels == 1 else "RGB"
    if image.mode == "La":  # Pillow converts it to this mode alone
        image = image.convert("LA")
    if image.mode == "F" or image.mode.startswith("I"):
        image = _to_8_bits(image, where)
        done.append("depth")
    elif image.mode in ("CMYK", "LAB"):
        done.append("inks" if image.mode == "CMYK" else "lab")
    mask = _opacity(image)
    if mask is not None:
        done.append("transparent")
    in_srgb = _in_srgb(image)
    if in_srgb is not None:
        done.append("profile")
        image = in_srgb
    if mask is not None:
        image = _on_white(image.convert("RGB"), mask)
    return image.convert(mode), colour, done


def scale_clear_colour(image: Any) -> None:
    """Scale the transparent colour of a PNG to 8 bits, as its pixels will be.

    Pillow converts the samples but not the colour that it compares them with. Call this before the
    image is loaded. Colours of 16 bits that agree in the highest 8 bits of each sample count as
    equal.
    """
    clear = image.info.get("transparency")
    if image.format != "PNG" or not image.tile:
        return
    sample_format = image.tile[0].args
    if isinstance(clear, int) and sample_format in _SCALE_TO_8_BITS:
        image.info["transparency"] = clear * _SCALE_TO_8_BITS[sample_format]
    elif isinstance(clear, tuple) and sample_format == "RGB;16B":
        image.info["transparency"] = tuple(sample >> 8 for sample in clear)


def is_colour(image: Any) -> bool:
    """Return whether the image is stored in colour."""
    if image.mode.startswith("I;") or image.mode in _GREY:
        return False
    if image.mode != "P":
        return True
    table = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    return bool((table != table[:, :1]).any())


def has_own_gamma(info: dict[str, Any]) -> bool:
    """Return whether a PNG has another gamma than sRGB."""
    if info.get("icc_profile") or "srgb" in info:
        return False
    gamma = info.get("gamma")
    return isinstance(gamma, int | float) and abs(gamma - _SRGB_GAMMA) > 0.02


def _to_8_bits(image: Any, where: str) -> Any:
    """Convert grey pixels of 9 to 16 bits, or floats in [0, 1], to 8 bits."""
    from PIL import Image

    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode == "F":
        low, high = float(values.min()), float(values.max())
        if not 0 <= low <= high <= 1:
            raise DataError(
                f"{where}: floating-point pixels from {low:g} to {high:g}; 0 to 1 are allowed, or "
                "save it with 8 bits"
            )
        grey = np.round(values * 255).astype(np.uint8)
    elif image.mode == "I" and image.format != "PPM":
        raise DataError(
            f"{where}: pixels of mode I (32 bits, or with a sign); allowed: 16 bits or fewer"
        )
    else:
        bits = tags.get(_BITS, (16,))
        bits = bits[0] if isinstance(bits, tuple) else bits
        grey = (values.astype(np.int64) >> max(0, bits - 8)).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == 0:
        grey = 255 - grey
    shown = Image.fromarray(grey)
    shown.info = {name: image.info[name] for name in ("icc_profile",) if name in image.info}
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        shown.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return shown


def _opacity(image: Any) -> Any:
    """Return the mask of opacity; None if the whole image is opaque."""
    if image.mode not in _WITH_ALPHA and "transparency" not in image.info:
        return None
    mask = image.convert("RGBA").getchannel("A")
    return mask if mask.getextrema()[0] < 255 else None


def _on_white(colours: Any, mask: Any) -> Any:
    from PIL import Image

    return Image.composite(colours, Image.new("RGB", colours.size, "white"), mask)


def _in_srgb(image: Any) -> Any:
    """Convert colours without alpha to sRGB; None if they are sRGB already."""
    from PIL import ImageCms

    if image.mode == "LAB":
        return ImageCms.applyTransform(image, _from_lab())
    profile = image.info.get("icc_profile")
    if not profile:
        return None
    inks = {"CMYK": "CMYK", "L": "L", "LA": "L", "1": "L"}.get(image.mode, "RGB")
    transform = _to_srgb(profile, inks)
    if transform is None:
        return None
    if image.mode in ("RGBa", "PA"):
        image = image.convert("RGBA")
    return ImageCms.applyTransform(image.convert(inks), transform)


@functools.lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> Any:
    """Build the transform of a profile to sRGB.

    Returns:
      None if it changes nothing, is damaged, or is for another kind of image, as viewers do.
    """
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform = ImageCms.buildTransform(source, srgb, mode, "RGB")
        if mode == "CMYK":
            return transform
        before = _sample(mode)
        after = np.asarray(ImageCms.applyTransform(before, transform), np.int16)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    change = np.abs(after - np.asarray(before.convert("RGB"), np.int16)).max()
    return transform if change > _SAME_COLOUR else None


@functools.cache
def _from_lab() -> Any:
    from PIL import ImageCms

    lab, srgb = (ImageCms.createProfile(space) for space in ("LAB", "sRGB"))
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB")


def _sample(mode: str) -> Any:
    """Make an image with colours from the whole cube, or with all greys."""
    from PIL import Image

    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    cube: NDArray[np.uint8] = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    return Image.fromarray(cube)
