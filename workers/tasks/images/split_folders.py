"""A split that a source's own folders or tables give: train/CLASS, val/CLASS and test/CLASS."""

from collections.abc import Sequence

import numpy as np

from workers.settings.images_task import ImagesTask
from workers.tasks.split_files import SPLIT_OF
from workers.tasks.splits import SPLITS, Splits
from workers.wire.errors import DataError
from workers.wire.protocol import Split


def own_split(names: Sequence[str], settings: ImagesTask) -> Splits | None:
    """Split classes by the source's own folders if `settings.split_by` and these allow it.

    Args:
      names: of the classes, sorted.
    Raises:
      DataError: the settings ask for it, and the folders do not split classes; or the folders do,
        without being asked for, and shares or a seed are set.
    """
    counts = (settings.train_classes, settings.validation_classes, settings.test_classes)
    if settings.split_by == "seed" or (settings.split_by == "auto" and any(counts)):
        return None
    splits = split_of_names(names)
    if splits is not None and settings.split_by == "auto":
        _refuse_drawn(settings)
    if splits is None and settings.split_by == "folders":
        raise DataError(
            "task.split_by = 'folders', but the classes are not in folders train, val and test, "
            f"each in one of them; they are named like {names[0]!r}; use task.split_by = 'seed'"
        )
    return splits


def _refuse_drawn(settings: ImagesTask) -> None:
    try:
        given = "folders train, val and test, which split the classes"
        settings.refuse_drawn_split(given, "set task.split_by to 'folders' or 'seed'")
    except ValueError as error:
        raise DataError(str(error)) from None


def split_of_names(names: Sequence[str]) -> Splits | None:
    """Split classes by their first folder.

    Args:
      names: of the classes, sorted.
    Returns:
      None if a class is in no folder of a split, a split has none, or two splits have a class of
      the same name: then the folders split images, and not classes.
    """
    parted: dict[Split, list[int]] = {split: [] for split in SPLITS}
    for place, name in enumerate(names):
        split, _ = _parts(name)
        if split is None:
            return None
        parted[split].append(place)
    if not all(parted.values()) or repeated(names):
        return None
    return {split: np.array(parted[split], np.int32) for split in SPLITS}


def repeated(names: Sequence[str]) -> dict[str, list[str]]:
    """Find the classes that are in folders of several splits, with these folders."""
    folders: dict[str, list[str]] = {}
    for name in names:
        split, rest = _parts(name)
        if split is not None:
            folders.setdefault(rest, []).append(name.partition("/")[0])
    return {rest: sorted(found) for rest, found in folders.items() if len(found) > 1}


def without_split(name: str) -> str:
    """Return a class's name without the folder of its split."""
    return _parts(name)[1]


def _parts(name: str) -> tuple[Split | None, str]:
    top, slash, rest = name.partition("/")
    split = SPLIT_OF.get(top.lower()) if slash else None
    return (split, rest) if split is not None else (None, name)
