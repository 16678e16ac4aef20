"""Models with several inputs: an example is one vector, in which they stand one after another.

So tasks, blocks, inner loops and files know arrays only. The model cuts the vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import keras

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


def on_packed(model: keras.Model, shape: PackedShape, said: str) -> keras.Model:
    """Put the cutting of a vector in front of a model that takes a dict, or inputs by name.

    Args:
      said: how errors call the model.
    Raises:
      ValueError: the model has other inputs than the tasks.
    """
    import keras

    declared = {each.name: tuple(each.shape[1:]) for each in getattr(model, "inputs", None) or []}
    needed = {name: part.shape for name, part in shape.parts.items()}
    if declared and not _fit(declared, needed):
        raise ValueError(
            f"{said} takes the inputs {_told(declared)}, the tasks have {_told(needed)}; name its "
            "keras.Input layers, and shape them, as the tasks' dicts are"
        )
    vector = keras.Input(tuple(shape), name="packed")
    cut, start = {}, 0
    for name, part in shape.parts.items():
        piece = vector[:, start : start + part.size]
        piece = keras.layers.Reshape(part.shape, name=f"cut_{name}")(piece)
        if part.integers:  # whatever a model is tried with, these are ids
            piece = keras.ops.cast(keras.ops.maximum(piece, 0.0), "int32")
        cut[name] = piece
        start += part.size
    try:
        outputs = model(cut)
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{said} cannot be called on a dict of {_told(needed)}, as the tasks have them: "
            f"{' '.join(str(error).split())[:200]}"
        ) from error
    return keras.Model(vector, outputs)


def _fit(declared: Mapping[str, tuple[Any, ...]], needed: Mapping[str, tuple[int, ...]]) -> bool:
    if declared.keys() != needed.keys():
        return False
    pairs = [(declared[name], needed[name]) for name in needed]
    return all(
        len(own) == len(theirs)
        and all(size in (None, given) for size, given in zip(own, theirs, strict=True))
        for own, theirs in pairs
    )


def _told(shapes: Mapping[str, tuple[Any, ...]]) -> str:
    return ", ".join(f"{name!r} {list(shape)}" for name, shape in shapes.items())
