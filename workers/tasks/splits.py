"""Which classes, or tasks, are for training, for validation and for testing."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from workers.wire.errors import DataError
from workers.wire.protocol import Split

SPLITS: tuple[Split, ...] = get_args(Split)
#: Split -> int32 indices into the sorted names, ascending; no index in two splits.
Splits = Mapping[Split, NDArray[np.int32]]

#: What is split -> the settings of how many are for each of SPLITS.
_COUNTS: dict[str, Callable[[Any], tuple[int | None, ...]]] = {
    "classes": lambda task: (task.train_classes, task.validation_classes, task.test_classes),
    "domains": lambda task: (task.train_domains, task.validation_domains, task.test_domains),
    "tasks": lambda task: (task.train_tasks, task.validation_tasks, task.test_tasks),
}


#: Classes of a task where every split has so many: what the field's tasks mostly are of.
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
        test_WHAT: how many, or None for a share.
      what: "classes", "domains" or "tasks".
      least: of each of SPLITS, what a task needs: a share that is smaller is raised to it, where
        there are enough.
    Raises:
      DataError: more are asked for than there are, shares and numbers are mixed, or the file is not
        such a split.
    """
    if settings.split_file is not None:
        return _from_file(names, Path(settings.split_file).expanduser(), what)
    return _by_seed(len(names), settings, what, least)


def split_hash(names: Sequence[str], splits: Splits) -> str:
    """Sha256 of {"test": [name, ...], "train": [...], "validation": [...]}, names sorted."""
    listed = {split: sorted(names[i] for i in splits[split]) for split in SPLITS}
    canonical = json.dumps(listed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _by_seed(number: int, settings: Any, what: str, least: tuple[int, int, int]) -> Splits:
    # Where another file is tested on, this one is for training and validation.
    tested_elsewhere = bool(getattr(settings, "test_path", None))
    needed = 2 if tested_elsewhere else len(SPLITS)
    if number < needed:
        raise DataError(
            f"the source has only {number} of the {what} that are split; none is in two splits, so "
            f"{needed} or more are needed"
        )
    if tested_elsewhere:
        least = (*least[:2], 0)
    counts = _COUNTS[what](settings)
    given = dict(zip(SPLITS, counts, strict=True))
    train, validation, test = _sizes(number, counts, settings.split_shares, least)
    if train + validation + test > number:
        asked = " + ".join(
            f"task.{split}_{what} = {count}" + ("" if given[split] else " (unset)")
            for split, count in zip(SPLITS, (train, validation, test), strict=True)
        )
        raise DataError(
            f"{asked} is {train + validation + test}, but the source has {number} {what}; "
            f"lower or set them, to {number} or fewer together"
        )
    # The raw stream and a sort: NumPy keeps the stream of a bit generator for good, but may
    # change Generator.permutation.
    keys = np.random.Philox(np.random.SeedSequence(settings.split_seed)).random_raw(number)
    order = np.argsort(keys, kind="stable").astype(np.int32)
    bounds = np.cumsum([train, validation, test])
    parts = np.split(order, bounds)[:3]
    return {split: np.sort(part) for split, part in zip(SPLITS, parts, strict=True)}


def _sizes(
    number: int,
    given: Sequence[int | None],
    shares: Sequence[float],
    least: Sequence[int],
) -> list[int]:
    """How many each of SPLITS gets: as given, or else its share, but no less than a task needs."""
    sizes = [count or _share(number, share) for count, share in zip(given, shares, strict=True)]
    sizes[2] = given[2] or max(0, number - sizes[0] - sizes[1])
    free = [i for i, count in enumerate(given) if count is None]
    if sum(sizes) > number or not free:
        return sizes
    # Where there are not enough for all, they come as near to it as they can.
    in_need = sum(least[i] > 0 for i in free)
    most = (number - sum(count or 0 for count in given)) // max(1, in_need)
    floors = {i: min(least[i], most) for i in free}
    for i in free:
        while sizes[i] < floors[i]:
            sizes[max(free, key=lambda other: sizes[other] - floors[other])] -= 1
            sizes[i] += 1
    return sizes


def _share(number: int, share: float) -> int:
    """Rounded, halves up, and of the decimal that was written: 0.15 of 10 is 2."""
    return int(Decimal(repr(share)) * number + Decimal("0.5"))


def choose_ways(asked: int | None, there: Mapping[Split, int]) -> int:
    """Classes of a task: `asked`, or 5 where every split has so many, else what each has.

    Args:
      there: split -> the classes that it has to choose from.
    Raises:
      DataError: a split has too few, names it.
    """
    ways = max(2, min(USUAL_WAYS, *there.values())) if asked is None else asked
    # The smallest one: whoever heeds what is said of another would be refused again.
    split = min(there, key=lambda each: there[each])
    most = there[split]
    if most < 2:
        raise DataError(
            f"the {split} split has {most} of the source's classes, and a task is of 2 or "
            f"more; give it more by task.{split}_classes or shares, or the source more classes"
        )
    if ways > most:
        raise DataError(
            f"task.ways = {ways}, but the {split} split has {most} classes to choose from; "
            f"lower task.ways to {most} or fewer, or raise task.{split}_classes"
        )
    return ways


def _from_file(names: Sequence[str], file: Path, what: str) -> Splits:
    listed = _load(file)
    index = {name: i for i, name in enumerate(names)}
    seen: dict[str, str] = {}
    for split in SPLITS:
        for name in listed[split]:
            if name not in index:
                raise DataError(
                    f"task.split_file {file}: {split!r} lists {name!r}, which is not in the "
                    f"source; its {len(names)} {what} are named like {names[0]!r}"
                )
            if name in seen:
                raise DataError(
                    f"task.split_file {file}: {name!r} is listed in {seen[name]!r} and in "
                    f"{split!r}; list each once"
                )
            seen[name] = split
    return {
        split: np.array(sorted(index[name] for name in listed[split]), np.int32) for split in SPLITS
    }


def _load(file: Path) -> dict[str, Any]:
    expected = "expected {'train': [name, ...], 'validation': [...], 'test': [...]}"
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"task.split_file {file}: cannot be read as JSON ({error})") from error
    if not isinstance(listed, dict) or set(listed) != set(SPLITS):
        found = ", ".join(map(repr, listed)) if isinstance(listed, dict) else type(listed).__name__
        raise DataError(f"task.split_file {file}: holds {found or 'nothing'}; {expected}")
    for split, classes in listed.items():
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise DataError(f"task.split_file {file}: {split!r} is no list of names; {expected}")
    return listed
