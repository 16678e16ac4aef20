"""Values that vary between environments: draws of their distributions, and words for them."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from workers.settings.environments.varied import Range, Varied
from workers.tasks.splits import SPLITS
from workers.wire.protocol import Array, Split


def vary(settings: Varied, unit: Array, split: Split = "train") -> Array:
    """Map uniform numbers in [0, 1) to values of the setting's distribution in tasks of a split.

    Returns:
      values, or int64 places in `settings.choice` where an array would change its values.
    """
    uniform = np.asarray(unit, np.float64)
    if settings.choice is not None:
        places = (uniform * len(settings.choice)).astype(int)
        return np.array(settings.choice)[places] if fits_array(settings) else places
    low, high = ranges_of(settings)[split]
    if settings.loguniform is not None:
        low, high = np.log((low, high))
        return np.exp(low + uniform * (high - low))
    return low + uniform * (high - low)


def ranges_of(settings: Varied) -> Mapping[Split, Range]:
    """Return the range of each split; nothing for a choice."""
    train = settings.uniform or settings.loguniform or settings.train
    if train is None:
        return {}
    validation, test = settings.validation or train, settings.test or train
    return {"train": train, "validation": validation, "test": test}


def fits_array(settings: Varied) -> bool:
    """Return whether `vary` gives values, not places: all are whole numbers, or all are floats.

    In an array 1 beside 2.5 would be 1.0, and true beside 0 would be 1.
    """
    types = {type(value) for value in settings.choice or ()}
    return len(types) < 2 and types <= {int, float}


def plain(value: Any) -> Any:
    """Return a value as it is passed to an environment: tuples of settings as new lists."""
    return list(value) if isinstance(value, tuple) else value


def as_text(value: Any) -> str:
    """Write a value in a task's name: 8.0 as 8, a text without quotes, a list as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(as_text, value))}]"
    return json.dumps(value, sort_keys=True)


def describe_variation(settings: Varied) -> list[float] | str:
    """Describe a distribution for the protocol."""
    if settings.choice is not None:
        return f"one of {', '.join(map(_short, settings.choice))}"
    ranges = ranges_of(settings)
    scale = ", log-uniform" if settings.loguniform is not None else ""
    if len(set(ranges.values())) == 1:
        return list(ranges["train"]) if not scale else f"{_range(ranges['train'])}{scale}"
    names = {"train": "training", "validation": "validation", "test": "test"}
    of_range: dict[Range, list[str]] = {}
    for split in SPLITS:
        of_range.setdefault(ranges[split], []).append(names[split])
    told = (f"{_range(bounds)} in {' and '.join(own)}" for bounds, own in of_range.items())
    return f"{', '.join(told)}{scale}"


def _short(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:g}" if is_number else as_text(value)


def _range(bounds: Range) -> str:
    return f"{bounds[0]:g} to {bounds[1]:g}"


def overlap_notes(name: str, settings: Varied) -> list[str]:
    """Warn if the test range lies in the training range, or reaches into it."""
    ranges = ranges_of(settings)
    if settings.test is None:
        return []
    (low, high), (first, last) = ranges["train"], ranges["test"]
    if first >= high or last <= low:
        return []
    told = f"task.vary.{name}: test = [{first:g}, {last:g}]"
    if low <= first and last <= high:
        return [f"{told} is inside the training range [{low:g}, {high:g}]: a test asks nothing new"]
    return [
        f"{told} and the training range [{low:g}, {high:g}] overlap: some tests are like training"
    ]
