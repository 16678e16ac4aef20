"""The drawing of tasks of images: classes of a split, turns, and different images of each."""

from collections.abc import Mapping

import numpy as np

from workers.tasks.copies import choose_apart
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
from workers.tasks.splits import Splits, check_ways
from workers.wire.errors import DataError
from workers.wire.protocol import Array, Draw, Specs, Split

# How often a task whose classes share images is drawn again.
_MOST_TRIES = 100


class ImageDraw:
    """Draws tasks, as indices of classes and images.

    Args:
      classes: all of them. splits: the classes of each split.
      turns: quarter turns of each split that are classes of their own, 1 to 4.
    """

    def __init__(self, classes: ImageClasses, splits: Splits, turns: Mapping[Split, int]):
        self._classes, self._splits, self._turns = classes, splits, turns

    def sample(self, draw: Draw, lo: int, hi: int, sizes: tuple[Size, Size, Size]) -> Specs:
        """Draw tasks.

        Args:
          sizes: ways, shots and queries.
        Returns:
          classes: int32 [tasks, ways], indices of base classes. turns: int8 [tasks, ways],
          quarter turns, counter-clockwise. support_examples, query_examples: int32 [tasks, ways,
          shots] and [.., queries], different indices within the class; see `workers.tasks.sizes`.
        Raises:
          DataError: the split has too few classes, or these share too many images.
        """
        ways, shots, queries = sizes
        check_ways(ways, draw.split, len(self._splits[draw.split]) * self._turns[draw.split])
        specs: dict[str, Array] = {
            "classes": empty_rows(hi - lo, ways),
            "turns": np.zeros((hi - lo, most(ways)), np.int8),
            "support_examples": empty_rows(hi - lo, ways, shots),
            "query_examples": empty_rows(hi - lo, ways, queries),
        }
        for task in range(hi - lo):
            rng = draw.generator(lo + task)
            number = draw_ways(rng, ways)
            classes, turns, counts, chosen = self._draw_task(
                rng, draw.split, number, (shots, queries)
            )
            specs["classes"][task, :number], specs["turns"][task, :number] = classes, turns
            for way, (few, size) in enumerate(zip(chosen, counts, strict=True)):
                specs["support_examples"][task, way] = padded(few[: size[0]], shots)
                specs["query_examples"][task, way] = padded(few[size[0] :], queries)
        return specs

    def _draw_task(
        self, rng: np.random.Generator, split: Split, number: int, ranges: tuple[Size, Size]
    ) -> tuple[Array, Array, list[Sizes], list[Rows]]:
        """Draw classes, turns, the sizes of each class, and its images.

        Args:
          number: of classes. ranges: shots and queries.
        """
        classes, turns = self._draw_classes(rng, split, number)
        sizes = self._draw_sizes(rng, classes, *ranges)
        chosen = [
            rng.choice(count, sum(size), replace=False)
            for count, size in zip(self._classes.counts[classes], sizes, strict=True)
        ]
        if self._classes.overlap(classes, turns, chosen, sizes):
            return self._draw_apart(rng, split, (classes, turns, sizes), ranges)
        return classes, turns, sizes, chosen

    def _draw_classes(
        self, rng: np.random.Generator, split: Split, number: int
    ) -> tuple[Array, Array]:
        pool, num_turns = self._splits[split], self._turns[split]
        pairs = rng.choice(len(pool) * num_turns, number, replace=False)
        return pool[pairs // num_turns], (pairs % num_turns).astype(np.int8)

    def _draw_sizes(
        self, rng: np.random.Generator, classes: Array, shots: Size, queries: Size
    ) -> list[Sizes]:
        """Draw the shots and queries of each class, of which it has so many different images."""
        rooms = self._classes.different[classes]
        return [draw_sizes(rng, shots, queries, at_most(int(room))) for room in rooms]

    def _draw_apart(
        self,
        rng: np.random.Generator,
        split: Split,
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
            classes, turns = self._draw_classes(rng, split, len(classes))
            sizes = self._draw_sizes(rng, classes, *ranges)
        raise DataError(
            f"classes of the {split} split share so many images that a task of {len(classes)} "
            f"classes lacks {sum(map(least, ranges))} different ones of each: "
            f"{', in '.join(self._classes.copies(self._splits).pairs)}; leave out one of each"
        )
