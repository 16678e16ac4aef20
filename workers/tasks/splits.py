"""Which classes, or tasks, are for training, for validation and for testing."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from workers.errors import DataError
from workers.protocol import Split

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


def split_names(names: Sequence[str], settings: Any, what: str = "classes") -> Splits:
    """Split `names` as settings.split_file lists them, or else by settings.split_seed.

    Args:
      names: all of them, sorted.
      settings: has split_file, split_seed, and train_WHAT, validation_WHAT and test_WHAT: how many,
        or None for shares; train_share and validation_share, None for 64 and 16 %.
      what: "classes", "domains" or "tasks".
    Raises:
      DataError: more are asked for than there are, shares and numbers are mixed, or the file is not
        such a split.
    """
    if settings.split_file is not None:
        return _from_file(names, Path(settings.split_file).expanduser(), what)
    return _by_seed(len(names), settings, what)


def split_hash(names: Sequence[str], splits: Splits) -> str:
    """Sha256 of {"test": [name, ...], "train": [...], "validation": [...]}, names sorted."""
    listed = {split: sorted(names[i] for i in splits[split]) for split in SPLITS}
    canonical = json.dumps(listed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _by_seed(number: int, settings: Any, what: str) -> Splits:
    # Where another file is tested on, this one is for training and validation.
    needed = 2 if getattr(settings, "test_path", None) else len(SPLITS)
    if number < needed:
        raise DataError(
            f"the source has only {number} of the {what} that are split; none is in two splits, so "
            f"{needed} or more are needed"
        )
    counts = _counts(number, settings, what, tested_elsewhere=needed == 2)
    train, validation, test = counts.values()
    # The raw stream and a sort: NumPy keeps the stream of a bit generator for good, but may
    # change Generator.permutation.
    keys = np.random.Philox(np.random.SeedSequence(settings.split_seed)).random_raw(number)
    order = np.argsort(keys, kind="stable").astype(np.int32)
    bounds = np.cumsum([train, validation, test])
    parts = np.split(order, bounds)[:3]
    return {split: np.sort(part) for split, part in zip(SPLITS, parts, strict=True)}


def _counts(number: int, settings: Any, what: str, tested_elsewhere: bool) -> dict[Split, int]:
    """How many of `number` are for each split: as the settings say, else by share."""
    given = dict(zip(SPLITS, _COUNTS[what](settings), strict=True))
    shares = {"train": settings.train_share, "validation": settings.validation_share}
    _check_shares(shares, given, what)
    train = given["train"] or _share_of(number, shares["train"], 64)
    validation = given["validation"] or _share_of(number, shares["validation"], 16)
    test = given["test"] or max(0, number - train - validation)
    if not any((*given.values(), *shares.values())):  # so few that shares of them are nothing
        least = 2 if what == "classes" and number >= 2 * len(SPLITS) else 1
        validation = max(validation, least)
        test = 0 if tested_elsewhere else max(least, number - train - validation)
        train = number - validation - test
    if train + validation + test > number:
        asked = " + ".join(
            f"task.{split}_{what} = {count}" + ("" if given[split] else " (unset)")
            for split, count in zip(SPLITS, (train, validation, test), strict=True)
        )
        raise DataError(
            f"{asked} is {train + validation + test}, but the source has {number} {what}; "
            f"lower or set them, to {number} or fewer together, or split by shares: "
            "task.train_share=0.64"
        )
    return {"train": train, "validation": validation, "test": test}


def _check_shares(
    shares: Mapping[str, float | None], given: Mapping[Split, int | None], what: str
) -> None:
    for split, share in shares.items():
        number = next((f"{s}_{what} = {n}" for s, n in given.items() if n is not None), None)
        if share is not None and number is not None:
            raise DataError(
                f"task.{split}_share = {share:g} and task.{number}: split by shares or by numbers; "
                "unset one of them"
            )
    both = [share for share in shares.values() if share is not None]
    if len(both) == 2 and sum(both) >= 1:
        raise DataError(
            f"task.train_share = {both[0]:g} and task.validation_share = {both[1]:g} leave nothing "
            "to test on; lower them, to less than 1 together"
        )


def _share_of(number: int, share: float | None, usual: int) -> int:
    """Rounded; `usual` in per cent."""
    if share is None:
        return (number * usual + 50) // 100
    return max(1, int(number * share + 0.5))


def choose_ways(asked: int | None, there: Mapping[Split, int]) -> int:
    """Classes of a task: `asked`, or 5 where every split has so many, else what each has.

    Args:
      there: split -> the classes that it has to choose from.
    Raises:
      DataError: a split has too few, names it.
    """
    ways = max(2, min(USUAL_WAYS, *there.values())) if asked is None else asked
    for split, most in there.items():
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
