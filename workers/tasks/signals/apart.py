"""Support and query examples of a class that share no recording."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Apart:
    """Examples of a class by what support and queries never share.

    parts: of each recording, its examples. is_cut: the parts are two, the earlier and the later
    examples of all recordings; support is from the first.
    """

    parts: Sequence[Rows]
    is_cut: bool = False

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def holds(self, shots: int, queries: int) -> bool:
        """Whether there are so many of each."""
        return self._sides(shots, queries) is not None

    def draw(self, rng: np.random.Generator, shots: int, queries: int) -> tuple[Rows, Rows]:
        """So many of each, all different; the class must hold them."""
        support, query = self._random_sides(rng, shots, queries)
        return (
            rng.choice(support, shots, replace=False),
            rng.choice(query, queries, replace=False),
        )

    def _random_sides(
        self, rng: np.random.Generator, shots: int, queries: int
    ) -> tuple[Rows, Rows]:
        """Deal out recordings at random, about as many to each side as it needs examples."""
        if not self.is_cut:
            for _ in range(_TRIES):
                order = rng.permutation(len(self.parts))
                if (cut := _cut([len(self.parts[i]) for i in order], shots, queries)) is not None:
                    return self._joined(order[:cut]), self._joined(order[cut:])
        sides = self._sides(shots, queries)
        assert sides is not None
        return sides

    def _sides(self, shots: int, queries: int) -> tuple[Rows, Rows] | None:
        """One way of dealing recordings out; None if there is none."""
        sizes = list(map(len, self.parts))
        if self.is_cut:
            first, second = self.parts
            return (first, second) if sizes[0] >= shots and sizes[1] >= queries else None
        if (cut := _cut(sizes, shots, queries)) is not None:
            return self._joined(range(cut)), self._joined(range(cut, len(sizes)))
        chosen = _smallest(sizes, shots)
        if chosen is None or sum(sizes) - sum(sizes[i] for i in chosen) < queries:
            return None
        others = [i for i in range(len(sizes)) if i not in chosen]
        return self._joined(chosen), self._joined(others)

    def _joined(self, parts: Iterable[int]) -> Rows:
        return np.concatenate([self.parts[i] for i in parts])


def _cut(sizes: Sequence[int], shots: int, queries: int) -> int | None:
    """How many of the first parts are for support, nearest to its share; None: no number fits."""
    if len(sizes) < 2:
        return None
    before = np.cumsum(sizes)
    fits = np.flatnonzero((before[:-1] >= shots) & (before[-1] - before[:-1] >= queries)) + 1
    if not len(fits):
        return None
    share = len(sizes) * shots / (shots + queries)
    return int(fits[np.argmin(np.abs(fits - share))])


def _smallest(sizes: Sequence[int], needed: int) -> set[int] | None:
    """Parts whose sizes add up to `needed` or as little more as can be; None if all have less."""
    sums: dict[int, tuple[int, ...]] = {0: ()}
    for place, size in enumerate(sizes):
        for total, chosen in list(sums.items()):
            if total < needed:
                sums.setdefault(total + size, (*chosen, place))
    enough = [total for total in sums if total >= needed]
    return set(sums[min(enough)]) if enough else None
