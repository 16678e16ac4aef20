"""From an image's own colours to 8 bits of grey or sRGB, as a viewer shows them."""

import functools
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.wire.errors import DataError

_GREY = ("1", "L", "LA", "La", "I", "F")
_WITH_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")
# A profile that changes no colour by more is sRGB under another name.
_SAME_COLOUR = 2
_SRGB_GAMMA = 1 / 2.2
# TIFF: which of black and white is 0, and the bits of a sample.
_PHOTOMETRIC, _BITS = 262, 258
# PNG: how Pillow turns a sample of 2 or 4 bits into 8.
_OF_2_AND_4_BITS = {"L;2": 85, "L;4": 17}


def as_shown(image: Any, where: str, channels: int) -> tuple[Any, bool, list[str]]:
    """A loaded image in mode "L" or "RGB".

    What is transparent lies on white. An embedded profile is followed.

    Returns:
      the image, whether it is in colour, and what was done to it: names of `image_notes.DONE`.
    Raises:
      DataError: its numbers have no range that is known.
    """
    done: list[str] = []
    colour, mode = is_colour(image), "L" if channels == 1 else "RGB"
    if image.mode == "F" or image.mode.startswith("I"):
        image = _to_8_bits(image, where)
        done.append("depth")
    elif image.mode in ("CMYK", "LAB"):
        done.append("inks" if image.mode == "CMYK" else "lab")
    mask = _opacity(image)
    if mask is not None:
        done.append("transparent")
    followed = _in_srgb(image)
    if followed is not None:
        done.append("profile")
        image = followed
    if mask is not None:
        image = _on_white(image.convert("RGB"), mask)
    return image.convert(mode), colour, done


def scale_clear_colour(image: Any) -> None:
    """Put the transparent colour of a PNG into the 8 bits that its pixels will have.

    Pillow converts the samples, and leaves the colour that is compared with them as the file has
    it. To be called before the image is loaded. Colours of 16 bits that agree in the highest 8 of
    each sample are one.
    """
    clear = image.info.get("transparency")
    if image.format != "PNG" or not image.tile:
        return
    of_samples = image.tile[0].args
    if isinstance(clear, int) and of_samples in _OF_2_AND_4_BITS:
        image.info["transparency"] = clear * _OF_2_AND_4_BITS[of_samples]
    elif isinstance(clear, tuple) and of_samples == "RGB;16B":
        image.info["transparency"] = tuple(sample >> 8 for sample in clear)


def is_colour(image: Any) -> bool:
    """Whether it is kept in colours."""
    if image.mode.startswith("I;") or image.mode in _GREY:
        return False
    if image.mode != "P":
        return True
    table = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    return bool((table != table[:, :1]).any())


def has_own_gamma(info: dict[str, Any]) -> bool:
    """Whether a PNG asks for another gamma than that of sRGB."""
    if info.get("icc_profile") or "srgb" in info:
        return False
    gamma = info.get("gamma")
    return isinstance(gamma, int | float) and abs(gamma - _SRGB_GAMMA) > 0.02


def _to_8_bits(image: Any, where: str) -> Any:
    """Of 9 to 16 bits the highest 8, and of floats those in 0 to 1."""
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
    """The mask of what is not transparent; None where nothing is."""
    if image.mode not in _WITH_ALPHA and "transparency" not in image.info:
        return None
    mask = image.convert("RGBA").getchannel("A")
    return mask if mask.getextrema()[0] < 255 else None


def _on_white(colours: Any, mask: Any) -> Any:
    from PIL import Image

    return Image.composite(colours, Image.new("RGB", colours.size, "white"), mask)


def _in_srgb(image: Any) -> Any:
    """Its colours without alpha, in sRGB; None where they are that already."""
    from PIL import ImageCms

    if image.mode == "LAB":
        return ImageCms.applyTransform(image, _from_lab())
    profile = image.info.get("icc_profile")
    if not profile:
        return None
    inks = {"CMYK": "CMYK", "L": "L", "LA": "L", "La": "L", "1": "L"}.get(image.mode, "RGB")
    transform = _to_srgb(profile, inks)
    if transform is None:
        return None
    if image.mode in ("RGBa", "La") or image.mode == "PA":
        image = image.convert("RGBA")
    return ImageCms.applyTransform(image.convert(inks), transform)


@functools.lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> Any:
    """None where it changes nothing, is damaged, or is of another kind of image: as viewers do."""
    from PIL import ImageCms

    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform = ImageCms.buildTransform(own, srgb, mode, "RGB")
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
    """Colours from all over the cube, or all greys."""
    from PIL import Image

    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    cube: NDArray[np.uint8] = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    return Image.fromarray(cube)
