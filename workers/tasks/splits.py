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


def split_names(names: Sequence[str], settings: Any, what: str = "classes") -> Splits:
    """Split `names` as settings.split_file lists them, or else by settings.split_seed.

    Args:
      names: all of them, sorted.
      settings: has split_file, split_seed, and train_WHAT, validation_WHAT and test_WHAT: how many,
        or None for shares of 64, 16 and 20 %.
      what: "classes", "domains" or "tasks".
    Raises:
      DataError: more are asked for than there are, or the file is not such a split.
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
    given = dict(zip(SPLITS, _COUNTS[what](settings), strict=True))
    train = given["train"] or _percent(number, 64)
    validation = given["validation"] or _percent(number, 16)
    test = given["test"] or max(0, number - train - validation)
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


def _percent(number: int, share: int) -> int:
    return (number * share + 50) // 100


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
