"""Finite sets of environments: combinations of listed environments and choices, and their split."""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.settings.environments.gym_task import GymTask
from workers.settings.environments.listed import SPLIT, values_of
from workers.tasks.environments.variation import as_text, plain
from workers.tasks.splits import SPLITS, Splits, split_hash, split_names
from workers.wire.errors import DataError
from workers.wire.protocol import Array, Split

_MOST = 10**5
_SHARES = (0.64, 0.16, 0.2)


@dataclass(frozen=True, slots=True)
class _SplitSettings:
    """The settings of a split with what is unset in a gym task; see `split_names`."""

    split_file: str | None
    split_seed: int
    split_shares: tuple[float, float, float]
    train_tasks: int | None
    validation_tasks: int | None
    test_tasks: int | None


class TaskSet:
    """The combinations of listed environments and the values of choices, in a fixed order.

    The environments are in the order of the list, and the choices sorted by name, the last of
    which changes first.

    names: of the combinations.
    splits: the combinations of each split; all in each where they are not split.
    hash: sha256 of the split; "" where there is none.
    """

    def __init__(self, settings: GymTask):
        """List the combinations, and split them if the settings say so.

        Raises:
          DataError: there are too few for the split, too many, or a combination is there twice.
        """
        self._tables: tuple[Mapping[str, Any], ...] = settings.environments or ({},)
        self._ids = [str(table.get("id") or settings.environment) for table in self._tables]
        self._choices = {
            name: varied.choice
            for name, varied in sorted(settings.vary.items())
            if varied.choice is not None
        }
        self._sizes = (len(self._tables), *map(len, self._choices.values()))
        self._shows_ids = len(set(self._ids)) > 1
        if math.prod(self._sizes) > _MOST:
            raise DataError(
                f"task.environments and task.vary have {math.prod(self._sizes):,} combinations; a "
                f"set of tasks has {_MOST:,} at most: use a range, or fewer values"
            )
        self.names = [
            self._name(table, values)
            for table, *values in itertools.product(
                range(len(self._tables)), *self._choices.values()
            )
        ]
        self.hash = ""
        if settings.is_split:
            self.splits = self._split(settings)
            self.hash = split_hash(self.names, self.splits)
        else:
            everything = np.arange(len(self.names), dtype=np.int32)
            self.splits = dict.fromkeys(SPLITS, everything)

    def _name(self, table: int, values: Sequence[Any]) -> str:
        own = values_of(self._tables[table]) | dict(zip(self._choices, values, strict=True))
        parts = [self._ids[table]] if self._shows_ids else []
        parts += [f"{name} {as_text(value)}" for name, value in sorted(own.items())]
        return ", ".join(parts) or self._ids[table]

    def _split(self, settings: GymTask) -> Splits:
        name, times = Counter(self.names).most_common(1)[0]
        if times > 1:
            raise DataError(
                f"the task '{name}' is {times} times in task.environments and task.vary, so it "
                "could be trained on and tested on; give it once"
            )
        if len(self.names) < len(SPLITS):
            raise DataError(
                f"task.environments and task.vary have {len(self.names)} tasks to split, and none "
                "may be in two splits, so 3 or more are needed; give more, or set task.split = "
                "false, so that tests are on the tasks of training"
            )
        if SPLIT in self._tables[0]:
            of_table = np.array([SPLITS.index(table[SPLIT]) for table in self._tables])
            of_task = np.repeat(of_table, len(self.names) // len(self._tables))
            return {
                split: np.flatnonzero(of_task == place).astype(np.int32)
                for place, split in enumerate(SPLITS)
            }
        order = sorted(range(len(self.names)), key=self.names.__getitem__)
        filled = _SplitSettings(
            settings.split_file,
            settings.split_seed or 0,
            settings.split_shares or _SHARES,
            *_counts(settings, len(self.names)),
        )
        by_name = split_names([self.names[i] for i in order], filled, "tasks")
        places = np.array(order, np.int32)
        splits = {split: np.sort(places[by_name[split]]) for split in SPLITS}
        for split in SPLITS:
            if not len(splits[split]):
                raise DataError(
                    f"the split leaves no task for {split} of {len(self.names)}: set "
                    "task.train_tasks, task.validation_tasks and task.test_tasks, or list more in "
                    "task.split_file"
                )
        return splits

    def draw(
        self, rng: np.random.Generator, split: Split, number: int, columns: int
    ) -> tuple[Array, NDArray[np.float64]]:
        """Draw combinations of a split, int64 [number], and numbers in [0, 1) [number, columns].

        Training tasks are drawn with equal probability. Held-out tasks take turns, in an order that
        is drawn, so that all are measured equally often. The first of them do not depend on
        `number`.
        """
        of_split = self.splits[split].astype(np.int64)
        if split == "train":
            unit = rng.random((number, 1 + columns))
            return of_split[(unit[:, 0] * len(of_split)).astype(int)], unit[:, 1:]
        order = np.argsort(rng.random(len(of_split)), kind="stable")
        unit = rng.random((number, columns))
        return of_split[order[np.arange(number) % len(of_split)]], unit

    def values(self, combination: int) -> tuple[str, dict[str, Any]]:
        """Return the id of a combination's environment, and its values by name."""
        table, *places = np.unravel_index(combination, self._sizes)
        own = values_of(self._tables[table])
        chosen = zip(self._choices.items(), places, strict=True)
        return self._ids[table], own | {name: plain(of[i]) for (name, of), i in chosen}


def _counts(settings: GymTask, number: int) -> list[int | None]:
    """Return the number of tasks of each split; what is unset shares what the others leave."""
    counts = [settings.train_tasks, settings.validation_tasks, settings.test_tasks]
    free = [i for i, count in enumerate(counts) if count is None]
    left = number - sum(count or 0 for count in counts)
    if len(free) == len(counts) or left < len(free):
        return counts
    shares = settings.split_shares or _SHARES
    for place, i in enumerate(free, 1):
        share = shares[i] / sum(shares[other] for other in free[place - 1 :])
        others = len(free) - place
        counts[i] = min(max(1, math.floor(share * left + 0.5)), left - others) if others else left
        left -= counts[i] or 0
    return counts
