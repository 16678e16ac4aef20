"""What a policy can see and do in a gymnasium environment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.metrics import LossName
from workers.tasks.environments.gym_source import import_gymnasium
from workers.wire.protocol import Array


@dataclass(frozen=True, slots=True)
class Actions:
    """How actions of a policy become an environment's.

    first: the index of the first of a few. low, high: bounds of numbers, [*shape]. told: to people.
    """

    loss: LossName
    num_outputs: int
    told: str
    first: int = 0
    low: Any = None
    high: Any = None

    def given(self, actions: Array) -> Sequence[Any]:
        """What `step` takes of each environment; numbers are clipped to their bounds.

        Args:
          actions: [..., numbers]; the result is flat over all but the last axis.
        """
        if self.loss == "categorical_policy":
            chosen: list[int] = (self.first + actions[..., 0].ravel().astype(int)).tolist()
            return chosen
        clipped = np.clip(np.reshape(actions, (-1, *self.low.shape)), self.low, self.high)
        return list(clipped)

    def random(self, rng: np.random.Generator, shape: Sequence[int]) -> Array:
        """Actions of who sees nothing, float32 [*shape, actions]."""
        if self.loss == "categorical_policy":
            return rng.integers(self.num_outputs, size=(*shape, 1)).astype(np.float32)
        low, high = self.low.ravel().astype(np.float64), self.high.ravel().astype(np.float64)
        bounded = np.isfinite(low) & np.isfinite(high)
        size = (*shape, len(low))
        between = np.where(bounded, low, 0), np.where(bounded, high, 1)
        found = np.where(bounded, rng.uniform(*between, size), rng.standard_normal(size))
        return found.astype(np.float32)


def look_at_observations(environment: str, space: Any) -> tuple[int, ...]:
    """The shape of an observation.

    Raises:
      ValueError: it is not an array of numbers.
    """
    if not isinstance(space, import_gymnasium().spaces.Box) or not space.shape:
        raise ValueError(
            f"{environment} shows {_told(space)}; a policy sees arrays of numbers (Box): wrap it "
            f"in {_flattening(space)}, and name your function: 'module:function'"
        )
    return tuple(int(size) for size in space.shape)


def _told(space: Any) -> str:
    text = " ".join(str(space).split())
    return text if len(text) < 200 else f"{text[:197]}..."


def _flattening(space: Any) -> str:
    """The wrapper that makes numbers of a space, and what goes before where it cannot."""
    spaces = import_gymnasium().spaces
    flatten = "gymnasium.wrappers.FlattenObservation"
    try:
        if isinstance(spaces.flatten_space(space), spaces.Box):
            return flatten
    except (NotImplementedError, TypeError, ValueError):
        pass
    return (
        f"{flatten}, after gymnasium.wrappers.FilterObservation or TransformObservation has left "
        "only numbers"
    )


def look_at_actions(environment: str, space: Any) -> Actions:
    """How to act.

    Raises:
      ValueError: actions are neither a few, nor numbers.
    """
    spaces = import_gymnasium().spaces
    if isinstance(space, spaces.Discrete):
        number = int(space.n)
        return Actions("categorical_policy", number, f"one of {number}", int(space.start))
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        number = int(np.prod(space.shape))
        said = f"{number} number{'s' if number > 1 else ''}"
        return Actions("gaussian_policy", 2 * number, said, low=space.low, high=space.high)
    raise ValueError(
        f"{environment} takes {space}; a policy chooses one of a few (Discrete), or gives "
        "floating-point numbers (Box)"
    )
