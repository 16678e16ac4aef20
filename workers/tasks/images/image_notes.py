"""Counts of the conversions of a source's images, and the notes on them for users."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from workers.tasks.images.image_decoding import Picture

#: What is done to an image -> the words for it.
DONE = {
    "grey": "in colour, made grey",
    "colour": "grey, made in colour",
    "squeezed": "not square: their proportions changed",
    "turned": "turned upright, as their orientation says",
    "transparent": "laid on white where they are transparent",
    "profile": "converted to sRGB by their own colour profile",
    "inks": "converted from CMYK",
    "lab": "converted from Lab",
    "depth": "brought from more bits to 8",
    "several": "of several frames or pages: the first was taken",
    "gamma": "with a gamma of their own, which is not applied",
}


class ConversionCounts:
    """Counts of what was done to images."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first_size: tuple[int, int] | None = None

    def add(self, picture: Picture) -> None:
        """Count one more image."""
        size, _, channels = picture.pixels.shape
        done = list(picture.done)
        if (picture.width, picture.height) != (size, size):
            done.append("resized")
            self._first_size = self._first_size or (picture.width, picture.height)
        if picture.width != picture.height:
            done.append("squeezed")
        if picture.in_colour != (channels == 3):
            done.append("grey" if picture.in_colour else "colour")
        self._counts.update(["images", *done])

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON table: the number of images, the count of each conversion, one size."""
        return {**self._counts, "first_size": list(self._first_size or ())}


def notes_of(conversions: Mapping[str, Any], shape: Sequence[int]) -> list[str]:
    """Write a line for each kind of conversion, with its count.

    Args:
      conversions: as `ConversionCounts.as_dict` returns them.
      shape: of an image, [height, width, channels].
    """
    of = f"of {conversions.get('images', 0)} images were"
    notes = []
    if resized := conversions.get("resized", 0):
        width, height = conversions["first_size"]
        notes.append(
            f"{resized} {of} resized to {shape[1]} x {shape[0]} (the first was {width} x {height})"
        )
    return notes + [
        f"{count} {of} {words}"
        for conversion, words in DONE.items()
        if (count := conversions.get(conversion))
    ]
