"""The splits of classes of images: of all, or of each data set by itself."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.settings.images_task import ImagesTask
from workers.tasks.images.data_sets.domains import Domains
from workers.tasks.images.split_folders import own_split
from workers.tasks.splits import SPLITS, Splits, split_names
from workers.wire.errors import DataError

Classes = NDArray[np.int32]


def split_classes(
    names: Sequence[str],
    settings: ImagesTask,
    domains: Domains,
    kept: Classes,
    least: tuple[int, int, int],
) -> Splits:
    """Split the classes by name.

    Data sets of task.test_path are test classes as a whole. Then the others have none where their
    split is drawn; where it is published, its test classes are in no split that is used.

    Args:
      names: of the classes, sorted.
      kept: the classes that are not left out.
      least: base classes that a task of each split needs.
    Raises:
      DataError: see `split_names`; names the data set.
    """
    if settings.split_file:
        return _kept(split_names(names, settings), kept)
    if not domains.are_apart:
        return _split(names, settings, kept, least)
    parts = [
        _split_of_domain(place, settings, domains, kept, least)
        for place in range(len(domains.names))
    ]
    return {split: np.sort(np.concatenate([part[split] for part in parts])) for split in SPLITS}


def _split_of_domain(
    place: int, settings: ImagesTask, domains: Domains, kept: Classes, least: tuple[int, int, int]
) -> Splits:
    classes, nothing = domains.classes(place), np.array([], np.int32)
    own_kept = np.flatnonzero(np.isin(classes, kept)).astype(np.int32)
    if domains.names[place] in domains.tested:
        return {"train": nothing, "validation": nothing, "test": classes[own_kept]}
    names = domains.own_names(classes)
    try:
        places = _split(names, settings, own_kept, least)
    except DataError as error:
        raise DataError(f"the data set {domains.names[place]!r}: {error}") from None
    splits = {split: classes[part] for split, part in places.items()}
    if domains.tested:
        drawn = own_split(names, settings) is None
        more = splits["test"] if drawn else nothing
        splits |= {"train": np.union1d(splits["train"], more), "test": nothing}
    return splits


def _split(
    names: Sequence[str], settings: ImagesTask, kept: Classes, least: tuple[int, int, int]
) -> Splits:
    """Split one source: as its own folders say, or by shares or counts."""
    given = own_split(names, settings)
    if given is not None:
        return _kept(given, kept)
    splits = split_names([names[i] for i in kept], settings, "classes", least)
    return {split: kept[places].astype(np.int32) for split, places in splits.items()}


def _kept(splits: Splits, kept: Classes) -> Splits:
    return {split: classes[np.isin(classes, kept)] for split, classes in splits.items()}
