"""Models with several inputs: an example is one vector, in which they stand one after another.

So tasks, blocks, inner loops and files know arrays only. The model cuts the vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from workers.tasks.family import TaskFamily

#: Under this key a family's preparation says of what an example is packed.
PARTS = "parts"


class Part(NamedTuple):
    """An input: shape of an example's; integers: whether it is of whole numbers, 0 or more."""

    shape: tuple[int, ...]
    integers: bool

    @property
    def size(self) -> int:
        """Numbers of an example."""
        return math.prod(self.shape)


class PackedShape(tuple[int, ...]):
    """The shape of a packed example, [numbers], which knows its parts by name, in their order."""

    parts: Mapping[str, Part]

    @classmethod
    def of(cls, parts: Mapping[str, Part]) -> PackedShape:
        """Add up the sizes."""
        made = cls((sum(part.size for part in parts.values()),))
        made.parts = parts
        return made


def parts_as_dict(parts: Mapping[str, Part]) -> list[Any]:
    """As JSON, in their order."""
    return [[name, list(part.shape), part.integers] for name, part in parts.items()]


def parts_from_dict(told: list[Any]) -> dict[str, Part]:
    """Invert `parts_as_dict`."""
    return {name: Part(tuple(shape), integers) for name, shape, integers in told}


def input_shape_of(family: TaskFamily) -> tuple[int, ...]:
    """Return the shape of the family's examples, with their parts if there are any."""
    told = getattr(family, "preparation", {}).get(PARTS)  # made-up ones have none
    return family.input_shape if told is None else PackedShape.of(parts_from_dict(told))


def shapes_of(shape: tuple[int, ...]) -> Any:
    """Return the argument of a function that makes a model: a shape, or name -> shape."""
    if isinstance(shape, PackedShape):
        return {name: part.shape for name, part in shape.parts.items()}
    return shape
