"""Observations of gymnasium's spaces, as the arrays that a policy sees."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.tasks.environments.gym_source import import_gymnasium
from workers.wire.protocol import Array


@dataclass(frozen=True, slots=True)
class Observations:
    """The observation space, and how an observation becomes an array.

    shape: of the array.
    space: the space, if its observations are to be flattened; None: they are arrays of `shape`.
    """

    shape: tuple[int, ...]
    space: Any = None

    def array(self, observation: Any) -> Any:
        """Return an observation as numbers [*shape].

        A Dict is flattened in the order of its sorted keys, a Tuple in its own. Of Discrete and
        MultiDiscrete each number is one-hot: 1 at its place, 0 elsewhere.

        Raises:
          ValueError: it is not of the space; the message is what it is.
        """
        if self.space is not None:
            return np.concatenate(list(_flat(self.space, observation)))
        if np.shape(observation) != self.shape:
            raise ValueError(
                f"an observation of shape {list(np.shape(observation))}, not {list(self.shape)}"
            )
        return observation


def look_at_observations(environment: str, space: Any) -> Observations:
    """Return how an observation becomes an array.

    Raises:
      ValueError: it has a part that is not numbers.
    """
    if isinstance(space, import_gymnasium().spaces.Box) and space.shape:
        return Observations(tuple(int(size) for size in space.shape))
    number = _size(space)
    if not number:
        raise ValueError(
            f"{environment} has the observation space {shortened(space)}; a policy sees numbers "
            "(Box, Discrete, MultiDiscrete, MultiBinary, and Dict or Tuple of these): wrap it in "
            "gymnasium.wrappers.FilterObservation or TransformObservation, which leave only "
            "numbers, and name your function: 'module:function'"
        )
    return Observations((number,), space)


def shortened(space: Any) -> str:
    """Write a space in a line of at most 200 letters."""
    text = " ".join(str(space).split())
    return text if len(text) < 200 else f"{text[:197]}..."


def parts_of(space: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (key, space) of the parts of a Dict, by its sorted keys, or of a Tuple."""
    if isinstance(space, import_gymnasium().spaces.Dict):
        yield from sorted(space.spaces.items(), key=lambda item: str(item[0]))
    else:
        yield from enumerate(space.spaces)


def _size(space: Any) -> int:
    """Count the numbers of a flattened observation; 0 if it has a part that is none."""
    spaces = import_gymnasium().spaces
    if isinstance(space, spaces.Dict | spaces.Tuple):
        sizes = [_size(part) for _, part in parts_of(space)]
        return sum(sizes) if all(sizes) else 0
    if isinstance(space, spaces.Box | spaces.MultiBinary):
        return int(np.prod(space.shape))
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    return int(space.nvec.sum()) if isinstance(space, spaces.MultiDiscrete) else 0


def _flat(space: Any, value: Any) -> Iterator[Array]:
    """Yield the flat parts of an observation, float32."""
    spaces = import_gymnasium().spaces
    if isinstance(space, spaces.Dict | spaces.Tuple):
        for key, part in parts_of(space):
            try:
                content = value[key]
            except (TypeError, KeyError, IndexError):
                raise ValueError(f"an observation without {key!r} of {shortened(space)}") from None
            yield from _flat(part, content)
    elif isinstance(space, spaces.Discrete):
        yield _one_hot(np.array([space.n]), np.array([space.start]), value, space)
    elif isinstance(space, spaces.MultiDiscrete):
        yield _one_hot(space.nvec.ravel(), space.start.ravel(), value, space)
    else:
        if np.shape(value) != space.shape:
            raise ValueError(
                f"a part of shape {list(np.shape(value))}, not {list(space.shape)} as in "
                f"{shortened(space)}"
            )
        yield np.asarray(value, np.float32).ravel()


def _one_hot(sizes: Any, starts: Any, value: Any, space: Any) -> Array:
    places = np.ravel(value) - starts if np.size(value) == len(sizes) else np.array([-1])
    if (places < 0).any() or (places >= sizes).any() or (places % 1).any():
        raise ValueError(f"{shortened(value)} is not in {shortened(space)}")
    first = np.cumsum(sizes) - sizes
    flat = np.zeros(int(sizes.sum()), np.float32)
    flat[(first + places).astype(int)] = 1
    return flat
