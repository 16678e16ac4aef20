"""Support and query examples of a class, or of several classes, that share no recording."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]

_TRIES = 20
# Recordings of several classes: so many can be dealt out in all ways, more by so many tries.
_FEW, _TRIES_TOGETHER = 12, 200


@dataclass(frozen=True, slots=True)
class Apart:
    """Examples of a class by what support and queries never share.

    parts: of each recording, its examples. is_cut: the parts are two, the earlier and the later
    examples of all recordings; support is from the first. recordings: the name of each part's
    recording, if it is of one.
    """

    parts: Sequence[Rows]
    is_cut: bool = False
    recordings: Sequence[str] = ()

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


def share_recordings(classes: Sequence[Apart]) -> bool:
    """Return whether a recording has examples of several classes."""
    names = [name for own in classes for name in own.recordings]
    return len(set(names)) < len(names)


def deal_together(
    rng: np.random.Generator, classes: Sequence[Apart], shots: Sequence[int], queries: Sequence[int]
) -> list[tuple[Rows, Rows]] | None:
    """Deal out the recordings of several classes at random, each to one side for all of them.

    Args:
      shots, queries: examples that each class needs.
    Returns:
      the examples of each class for support and for queries; None if no way was found. Of 12
      recordings or fewer, there is none then.
    """
    names = sorted({name for own in classes for name in own.recordings})
    place = {name: i for i, name in enumerate(names)}
    sizes = np.zeros((len(classes), len(names)), np.int64)
    for own, row in zip(classes, sizes, strict=True):
        row[[place[name] for name in own.recordings]] = list(map(len, own.parts))
    few, more = np.array(shots)[:, None], np.array(queries)[:, None]
    is_support = _random_sides(rng, sizes, few, more)
    if is_support is None and len(names) <= _FEW:
        every = (np.arange(2 ** len(names))[:, None] >> np.arange(len(names))) % 2 == 1
        fits = ((sizes @ every.T >= few) & (sizes @ ~every.T >= more)).all(axis=0)
        is_support = rng.choice(every[fits]) if fits.any() else None
    if is_support is None:
        return None
    nothing = np.zeros(0, np.int32)
    sides = []
    for own in classes:
        pairs = [
            (part, is_support[place[name]])
            for part, name in zip(own.parts, own.recordings, strict=True)
        ]
        support, query = ([part for part, side in pairs if side == wanted] for wanted in (1, 0))
        sides.append((np.concatenate([nothing, *support]), np.concatenate([nothing, *query])))
    return sides


def _random_sides(
    rng: np.random.Generator,
    sizes: NDArray[np.int64],
    shots: NDArray[np.int64],
    queries: NDArray[np.int64],
) -> NDArray[np.bool_] | None:
    """Return which recordings are for support, about as many as its share; None: none was found.

    Args:
      sizes: [classes, recordings]. shots, queries: [classes, 1].
    """
    number = sizes.shape[1]
    share = number * shots.sum() / (shots.sum() + queries.sum())
    for _ in range(_TRIES_TOGETHER):
        order = rng.permutation(number)
        before = np.cumsum(sizes[:, order], axis=1)
        fits = (before >= shots) & (before[:, -1:] - before >= queries)
        if len(cuts := np.flatnonzero(fits.all(axis=0)) + 1):
            cut = cuts[np.argmin(np.abs(cuts - share))]
            return np.isin(np.arange(number), order[:cut])
    return None
