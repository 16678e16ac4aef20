"""The images of each class, for tasks to draw from."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.tasks.copies import Copies, content_ids, overlap
from workers.tasks.images.image_cache import ImageCache

# A message names at most this many classes.
_MOST_NAMED = 5


class ImageClasses:
    """The classes of a source, with the contents of their images.

    names: of the classes.
    counts: images of each, int64 [classes].
    different: different contents of each, int64 [classes].
    """

    def __init__(self, images: ImageCache):
        self._images = images
        self.names = images.class_names
        self.counts = np.diff(images.offsets)
        self._ids = content_ids(images.pixels)
        of = np.repeat(np.arange(len(self.counts)), self.counts)
        pairs = np.unique(np.stack([of, self._ids]), axis=1)
        self.different = np.bincount(pairs[0], minlength=len(self.counts))
        first = np.arange(len(self._ids))
        self._has_copies = bool((self._ids != first).any())

    def __len__(self) -> int:
        return len(self.counts)

    def small(self, needed: int) -> NDArray[np.intp]:
        """Return the classes with fewer than `needed` different images."""
        return np.flatnonzero(self.different < needed)

    def summary(self, classes: Sequence[int]) -> str:
        """Count the classes in words; name a few with their numbers of different images."""
        shown = sorted(classes, key=lambda index: int(self.different[index]))[:_MOST_NAMED]
        named = [f"{self._images.class_names[i]!r} ({self.different[i]})" for i in shown]
        more = "" if len(shown) == len(classes) else ", ..."
        plural = "is 1 class" if len(classes) == 1 else f"are {len(classes)} classes"
        return f"there {plural} ({', '.join(named)}{more})"

    def contents(self, classes: NDArray[Any], turns: NDArray[Any]) -> list[NDArray[np.int64]]:
        """Return, for each class, ids of the contents of its images as they are turned."""
        bounds = self._images.offsets[classes], self._images.offsets[classes + 1]
        return [
            self._ids[lo:hi] * 4 + int(turn) for lo, hi, turn in zip(*bounds, turns, strict=True)
        ]

    def overlap(
        self,
        classes: NDArray[Any],
        turns: NDArray[Any],
        examples: Sequence[NDArray[Any]],
        sizes: Sequence[tuple[int, int]],
    ) -> bool:
        """Return whether support and query of a task share a content.

        Args:
          examples: of each class, int [n]. sizes: of each, how many of them are the support set,
            and how many queries follow.
        """
        if not self._has_copies:
            return False
        offsets = self._images.offsets[classes]
        drawn = [
            self._ids[offset + rows] * 4 + turn
            for offset, rows, turn in zip(offsets, examples, turns, strict=True)
        ]
        shots = [few for few, _ in sizes]
        support = [own[:few] for own, few in zip(drawn, shots, strict=True)]
        query = [own[few:] for own, few in zip(drawn, shots, strict=True)]
        return overlap(np.concatenate(support), np.concatenate(query))

    def copies(self, splits: Mapping[Any, NDArray[np.int32]]) -> Copies:
        """Count repeated images."""
        rows = np.split(np.arange(len(self._ids), dtype=np.int32), self._images.offsets[1:-1])
        return Copies.count(self._ids, rows, self._images.class_names, splits)
