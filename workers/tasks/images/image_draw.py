"""The drawing of tasks of images: classes of a split, turns, and different images of each."""

import numpy as np

from workers.tasks.copies import choose_apart
from workers.tasks.images.data_sets.pools import Pool, Pools
from workers.tasks.images.image_classes import ImageClasses
from workers.tasks.sizes import (
    Rows,
    Size,
    Sizes,
    at_most,
    draw_sizes,
    draw_ways,
    empty_rows,
    least,
    most,
    padded,
)
from workers.tasks.splits import Splits
from workers.wire.errors import DataError
from workers.wire.protocol import Array, Draw, Specs

# How often a task whose classes share images is drawn again.
_MOST_TRIES = 100


class ImageDraw:
    """Draws tasks, as indices of classes and images.

    Args:
      classes: all of them. splits: the classes of each split. pools: those that a task may mix.
    """

    def __init__(self, classes: ImageClasses, splits: Splits, pools: Pools):
        self._classes, self._splits, self._pools = classes, splits, pools

    def sample(self, draw: Draw, lo: int, hi: int, sizes: tuple[Size, Size, Size]) -> Specs:
        """Draw tasks.

        Args:
          sizes: ways, shots and queries.
        Returns:
          classes: int32 [tasks, ways], indices of base classes. turns: int8 [tasks, ways],
          quarter turns, counter-clockwise. support_examples, query_examples: int32 [tasks, ways,
          shots] and [.., queries], different indices within the class; see `workers.tasks.sizes`.
        Raises:
          DataError: the split, or a data set, has too few classes, or these share too many images.
        """
        ways, shots, queries = sizes
        self._pools.check_ways(ways, draw.split)
        specs: dict[str, Array] = {
            "classes": empty_rows(hi - lo, ways),
            "turns": np.zeros((hi - lo, most(ways)), np.int8),
            "support_examples": empty_rows(hi - lo, ways, shots),
            "query_examples": empty_rows(hi - lo, ways, queries),
        }
        for task in range(hi - lo):
            rng = draw.generator(lo + task)
            pool = self._pools.draw(rng, draw.split, lo + task)
            number = draw_ways(rng, self._pools.ways_of(pool, ways))
            classes, turns, counts, chosen = self._draw_task(rng, pool, number, (shots, queries))
            specs["classes"][task, :number], specs["turns"][task, :number] = classes, turns
            for way, (few, size) in enumerate(zip(chosen, counts, strict=True)):
                specs["support_examples"][task, way] = padded(few[: size[0]], shots)
                specs["query_examples"][task, way] = padded(few[size[0] :], queries)
        return specs

    def _draw_task(
        self, rng: np.random.Generator, pool: Pool, number: int, ranges: tuple[Size, Size]
    ) -> tuple[Array, Array, list[Sizes], list[Rows]]:
        """Draw classes, turns, the sizes of each class, and its images.

        Args:
          number: of classes. ranges: shots and queries.
        """
        classes, turns = _draw_classes(rng, pool, number)
        sizes = self._draw_sizes(rng, classes, *ranges)
        chosen = [
            rng.choice(count, sum(size), replace=False)
            for count, size in zip(self._classes.counts[classes], sizes, strict=True)
        ]
        if self._classes.overlap(classes, turns, chosen, sizes):
            return self._draw_apart(rng, pool, (classes, turns, sizes), ranges)
        return classes, turns, sizes, chosen

    def _draw_sizes(
        self, rng: np.random.Generator, classes: Array, shots: Size, queries: Size
    ) -> list[Sizes]:
        """Draw the shots and queries of each class, of which it has so many different images."""
        rooms = self._classes.different[classes]
        return [draw_sizes(rng, shots, queries, at_most(int(room))) for room in rooms]

    def _draw_apart(
        self,
        rng: np.random.Generator,
        pool: Pool,
        drawn: tuple[Array, Array, list[Sizes]],
        ranges: tuple[Size, Size],
    ) -> tuple[Array, Array, list[Sizes], list[Rows]]:
        """Draw examples with different contents, of other classes if these do not suffice.

        Args:
          drawn: classes, turns, and the sizes of each. ranges: shots and queries.
        """
        classes, turns, sizes = drawn
        for _ in range(_MOST_TRIES):
            contents = self._classes.contents(classes, turns)
            chosen = choose_apart(rng, contents, list(map(sum, sizes)))
            if chosen is not None:
                return classes, turns, sizes, chosen
            classes, turns = _draw_classes(rng, pool, len(classes))
            sizes = self._draw_sizes(rng, classes, *ranges)
        of = f"the {pool.split} split" + (f" of {pool.name!r}" if pool.name else "")
        raise DataError(
            f"classes of {of} share so many images that a task of {len(classes)} "
            f"classes lacks {sum(map(least, ranges))} different ones of each: "
            f"{', in '.join(self._classes.copies(self._splits).pairs)}; leave out one of each"
        )


def _draw_classes(rng: np.random.Generator, pool: Pool, number: int) -> tuple[Array, Array]:
    pairs = rng.choice(pool.room, number, replace=False)
    return pool.classes[pairs // pool.turns], (pairs % pool.turns).astype(np.int8)
