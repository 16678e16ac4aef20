"""Splits of classes, domains or tasks into training, validation and test."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from workers.settings.section import Size
from workers.tasks.sizes import most
from workers.tasks.split_files import read_split_file
from workers.wire.errors import DataError
from workers.wire.protocol import Split

SPLITS: tuple[Split, ...] = get_args(Split)
#: Split -> int32 indices into the sorted names, ascending; no index in two splits.
Splits = Mapping[Split, NDArray[np.int32]]

#: What is split -> the settings that hold the number for each of SPLITS.
_COUNTS: dict[str, Callable[[Any], tuple[int | None, ...]]] = {
    "classes": lambda task: (task.train_classes, task.validation_classes, task.test_classes),
    "domains": lambda task: (task.train_domains, task.validation_domains, task.test_domains),
    "tasks": lambda task: (task.train_tasks, task.validation_tasks, task.test_tasks),
}


#: Default number of classes of a task, if every split has as many: the field's usual number.
USUAL_WAYS = 5


def split_names(
    names: Sequence[str],
    settings: Any,
    what: str = "classes",
    least: tuple[int, int, int] = (1, 1, 1),
) -> Splits:
    """Split `names` as settings.split_file lists them, or else by settings.split_seed.

    Args:
      names: all of them, sorted.
      settings: has split_file, split_seed, split_shares, and train_WHAT, validation_WHAT and
        test_WHAT: a number, or None for a share.
      what: "classes", "domains" or "tasks".
      least: for each of SPLITS, the number that a task needs. A smaller share is raised to it if
        there are enough names.
    Raises:
      DataError: the numbers exceed the number of names, shares and numbers are mixed, or the file
        is not such a split.
    """
    if settings.split_file is not None:
        return _from_file(names, Path(settings.split_file).expanduser(), what)
    return _by_seed(len(names), settings, what, least)


def split_hash(names: Sequence[str], splits: Splits) -> str:
    """Hash {"test": [name, ...], "train": [...], "validation": [...]}, names sorted, by sha256."""
    listed = {split: sorted(names[i] for i in splits[split]) for split in SPLITS}
    canonical = json.dumps(listed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _by_seed(number: int, settings: Any, what: str, least: tuple[int, int, int]) -> Splits:
    # If the test set is a file of its own, this one is for training and validation.
    tested_elsewhere = bool(getattr(settings, "test_path", None))
    needed = 2 if tested_elsewhere else len(SPLITS)
    if number < needed:
        raise DataError(
            f"the source has only {number} {what} to split; none may be in two splits, so {needed} "
            "or more are needed"
        )
    if tested_elsewhere:
        least = (*least[:2], 0)
    counts = _COUNTS[what](settings)
    count_of = dict(zip(SPLITS, counts, strict=True))
    train, validation, test = _sizes(number, counts, settings.split_shares, least)
    if train + validation + test > number:
        wanted = " + ".join(
            f"task.{split}_{what} = {count}" + ("" if count_of[split] else " (unset)")
            for split, count in zip(SPLITS, (train, validation, test), strict=True)
        )
        raise DataError(
            f"{wanted} is {train + validation + test}, but the source has {number} {what}; "
            f"lower or set them to {number} or fewer in total"
        )
    # The raw stream and a sort: NumPy guarantees the stream of a bit generator, but may change
    # Generator.permutation.
    keys = np.random.Philox(np.random.SeedSequence(settings.split_seed)).random_raw(number)
    order = np.argsort(keys, kind="stable").astype(np.int32)
    bounds = np.cumsum([train, validation, test])
    parts = np.split(order, bounds)[:3]
    return {split: np.sort(part) for split, part in zip(SPLITS, parts, strict=True)}


def _sizes(
    number: int,
    counts: Sequence[int | None],
    shares: Sequence[float],
    least: Sequence[int],
) -> list[int]:
    """Return the size of each of SPLITS: its count, or its share but at least what a task needs."""
    sizes = [count or _share(number, share) for count, share in zip(counts, shares, strict=True)]
    sizes[2] = counts[2] or max(0, number - sizes[0] - sizes[1])
    free = [i for i, count in enumerate(counts) if count is None]
    if sum(sizes) > number or not free:
        return sizes
    # If there are not enough for all, each floor is as near to its minimum as possible.
    in_need = sum(least[i] > 0 for i in free)
    most = (number - sum(count or 0 for count in counts)) // max(1, in_need)
    floors = {i: min(least[i], most) for i in free}
    for i in free:
        while sizes[i] < floors[i]:
            sizes[max(free, key=lambda other: sizes[other] - floors[other])] -= 1
            sizes[i] += 1
    return sizes


def _share(number: int, share: float) -> int:
    """Round share * number, halves up, with the share's written decimals: 0.15 of 10 is 2."""
    return int(Decimal(repr(share)) * number + Decimal("0.5"))


def choose_ways(
    requested: Size | None, available: Mapping[Split, int], needed: Sequence[Split] = SPLITS
) -> Size:
    """Choose the number of classes of a task.

    Args:
      requested: the number, or a range; None: 5, or fewer where a split has fewer.
      available: split -> the number of its classes.
      needed: the splits that must have as many as are requested. The others are checked when tasks
        of theirs are drawn, which may have another number.
    Raises:
      DataError: a split has too few; the message names it.
    """
    usual = max(2, min(USUAL_WAYS, *available.values()))
    ways: Size = usual if requested is None else requested
    # The smallest split: a number that fits a larger one would be refused again.
    split = min(available if requested is None else needed, key=lambda name: available[name])
    room = available[split]
    if room < 2:
        raise DataError(
            f"the {split} split has {room} of the source's classes, but a task needs 2 or more; "
            f"raise task.{split}_classes or its share, or add classes to the source"
        )
    if most(ways) > room:
        shown = list(ways) if isinstance(ways, tuple) else ways
        raise DataError(
            f"task.ways = {shown}, but the {split} split has {room} classes to choose from; "
            f"lower task.ways to {room} or fewer, or raise task.{split}_classes"
        )
    return ways


def check_ways(ways: Size, split: Split, room: int) -> None:
    """Raise DataError if tasks of a split cannot have so many classes.

    Args:
      room: classes that a task can choose from.
    """
    if most(ways) > room:
        raise DataError(
            f"a task of {most(ways)} classes, but the {split} split has {room} to choose from; "
            f"lower evaluation.ways, or task.ways where that is unset, to {room} or fewer, or "
            f"raise task.{split}_classes"
        )


def _from_file(names: Sequence[str], file: Path, what: str) -> Splits:
    listed = read_split_file(file)
    places = _places(names)
    split_of: dict[int, str] = {}
    found: dict[Split, list[int]] = {split: [] for split in SPLITS}
    for split in SPLITS:
        for name in listed[split]:
            place = places.get(name)
            if place is None:
                raise DataError(
                    f"task.split_file {file}: {split!r} lists {name!r}, which is not in the "
                    f"source; its {len(names)} {what} are named like {names[0]!r}"
                )
            if place in split_of:
                raise DataError(
                    f"task.split_file {file}: {name!r} is listed in {split_of[place]!r} and in "
                    f"{split!r}; list each once"
                )
            split_of[place] = split
            found[split].append(place)
    return {split: np.array(sorted(found[split]), np.int32) for split in SPLITS}


def _places(names: Sequence[str]) -> dict[str, int]:
    """Map names to their places, and the last parts of names, as in train/cat, if one has them."""
    lasts = [name.rpartition("/")[2] for name in names]
    once = Counter(lasts)
    short = {last: place for place, last in enumerate(lasts) if once[last] == 1}
    return short | {name: place for place, name in enumerate(names)}
