"""Splits of the field's image data sets, recognized by a hash of their class names."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from workers.tasks.images.split_folders import without_split
from workers.tasks.splits import SPLITS, Splits, split_hash


class Published(NamedTuple):
    """A data set with its split.

    title: what it is called, and whose split it is.
    images: of all its classes together.
    """

    title: str
    images: int


#: `split_hash` of the class names -> the data set. Class names are folders as they are published:
#: WordNet ids (mini-ImageNet), CIFAR-100's fine labels, and CUB's numbered folders.
_PUBLISHED = {
    "fd9177425b6bcef5ca14bd80fbf9337ea4aa0bdfc7ef7b3108b5d65b8a471f65": Published(
        "mini-ImageNet, split of Ravi and Larochelle 2017", 60_000
    ),
    "c9e04b1455066d4d6be31038a473fd7b3e45cfb28b335fd879069c0796037847": Published(
        "CIFAR-FS, split of Bertinetto et al. 2019", 60_000
    ),
    "66280408b47053889aaf724a72b9042c4ecd5ff95e2e257762f45ff7bc408ba2": Published(
        "FC100, split of Oreshkin et al. 2018", 60_000
    ),
    "4fe207fbaf1a7579536d917f537958e4fed5a0cdf5cae6aed8658cd769645481": Published(
        "CUB-200-2011, split of Chen et al. 2019", 11_788
    ),
}


def published_split(names: Sequence[str], splits: Splits) -> Published | None:
    """Find the published data set whose classes are split just so."""
    own = [without_split(name) for name in names]
    return _PUBLISHED.get(split_hash(own, splits))


def notes_on_published(names: Sequence[str], splits: Splits, counts: np.ndarray) -> list[str]:
    """Report that images are missing, or too many, where the split is a published one.

    Args:
      counts: images of each class.
    """
    found = published_split(names, splits)
    if found is None:
        return []
    images = int(sum(counts[splits[split]].sum() for split in SPLITS))
    if images == found.images:
        return []
    return [f"the classes are those of {found.title}, but with {images} images, not {found.images}"]
