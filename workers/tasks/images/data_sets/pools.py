"""The classes that a task may mix: those of a split, or of one data set in it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from workers.tasks.images.data_sets.domains import Domains
from workers.tasks.sizes import Size, least, most
from workers.tasks.splits import SPLITS, USUAL_WAYS, Splits, check_ways, choose_ways
from workers.wire.errors import DataError
from workers.wire.protocol import Array, Split


class Pool(NamedTuple):
    """Classes that a task may mix.

    name: of their data set; "" if the classes of all are mixed.
    classes: int32 [n], base classes. turns: quarter turns that are classes of their own, 1 to 4.
    weight: how often training tasks are of it, in relation to the other pools.
    """

    name: str
    split: Split
    classes: Array
    turns: int
    weight: float

    @property
    def room(self) -> int:
        """The number of classes to choose from, with those that are turned."""
        return len(self.classes) * self.turns


class Pools:
    """The pools of each split; data sets without classes in a split have none there.

    Args:
      turns: quarter turns of each split that are classes of their own, 1 to 4.
      weights: of the first data sets; None: all are equal.
    """

    def __init__(
        self,
        domains: Domains,
        splits: Splits,
        turns: Mapping[Split, int],
        weights: Sequence[float] | None,
    ):
        self._are_apart = domains.are_apart
        self.of_split: dict[Split, list[Pool]] = {split: [] for split in SPLITS}
        for split in SPLITS:
            for place, name in enumerate(domains.names):
                classes = splits[split][domains.of_class[splits[split]] == place]
                weight = weights[place] if weights and place < len(weights) else 1.0
                if len(classes) or not self._are_apart:
                    self.of_split[split].append(Pool(name, split, classes, turns[split], weight))

    def draw(self, rng: np.random.Generator, split: Split, task: int) -> Pool:
        """Choose the pool of a task.

        Training tasks draw theirs; held-out tasks are of each in turn, so that scores have as many
        tasks of each. A single pool draws nothing.

        Args:
          task: the task's number in its step or evaluation.
        """
        pools = self.of_split[split]
        if len(pools) == 1 or split != "train":
            return pools[task % len(pools)]
        bounds = np.cumsum([pool.weight for pool in pools])
        place = np.searchsorted(bounds, rng.random() * bounds[-1], side="right")
        return pools[min(int(place), len(pools) - 1)]

    def ways_of(self, pool: Pool, ways: Size) -> Size:
        """Return the classes of a task of a pool: of a range, at most as many as it has."""
        if not self._are_apart or not isinstance(ways, tuple):
            return ways
        return ways[0], min(ways[1], pool.room)

    def choose_ways(self, requested: Size | None) -> Size:
        """Choose the number of classes of a task; see `splits.choose_ways`.

        Raises:
          DataError: a split, or a data set in training, has too few; the message names it.
        """
        if not self._are_apart:
            room = {split: sum(pool.room for pool in self.of_split[split]) for split in SPLITS}
            return choose_ways(requested, room, needed=("train",))
        pools = [pool for split in SPLITS for pool in self.of_split[split]]
        ways = requested or max(2, min(USUAL_WAYS, *(pool.room for pool in pools)))
        shown = list(ways) if isinstance(ways, tuple) else ways
        for split in ("train",) if requested else SPLITS:
            self._check(ways, split, f"task.ways = {shown}, but", "task.ways")
        largest = max(pool.room for pool in self.of_split["train"])
        if most(ways) > largest:
            raise DataError(
                f"task.ways = {shown}, but no data set has more than {largest} classes in its "
                f"train split; lower the most to {largest} or fewer"
            )
        return ways

    def check_ways(self, ways: Size, split: Split) -> None:
        """Raise DataError if tasks of a split, or of a data set in it, lack classes."""
        pools = self.of_split[split]
        if not self._are_apart or not pools:
            check_ways(ways, split, sum(pool.room for pool in pools))
            return
        lower = "evaluation.ways, or task.ways where that is unset,"
        shown = f"{least(ways)} classes{' or more' * isinstance(ways, tuple)}"
        self._check(ways, split, f"a task of {shown}, but", lower)

    def _check(self, ways: Size, split: Split, wanted: str, lower: str) -> None:
        if not self.of_split[split]:
            raise DataError(f"no data set has classes in the {split} split; see task.split_file")
        smallest = min(self.of_split[split], key=lambda pool: pool.room)
        if smallest.room < least(ways):
            # A number that fits a larger split would be refused again.
            pools = (pool for own in self.of_split.values() for pool in own)
            fits = min(pool.room for pool in pools if pool.name == smallest.name)
            remedy = f"lower {lower} to {fits} or fewer, or " if fits > 1 else ""
            raise DataError(
                f"{wanted} the data set {smallest.name!r} has {smallest.room} in its {split} "
                f"split; {remedy}leave it out of the paths"
            )
