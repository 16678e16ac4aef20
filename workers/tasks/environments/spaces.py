"""The actions of a gymnasium environment, and spaces that all tasks must have."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.losses.registry import make_loss
from workers.metrics import LossName
from workers.tasks.environments.gym_source import import_gymnasium
from workers.tasks.environments.observations import shortened
from workers.wire.protocol import Array

# Numbers of an observation for a linear baseline: 32 MB for each task of a block.
_MOST_NUMBERS = 1000
# Logits of a policy that chooses several discrete actions at once.
_MOST_COMBINATIONS = 1024


@dataclass(frozen=True, slots=True)
class Actions:
    """The action space, and how a policy's actions become the environment's.

    loss: "categorical_policy" for discrete actions, "gaussian_policy" for continuous ones.
    num_outputs: outputs of the policy.
    description: for people.
    first: the lowest discrete action.
    low, high: bounds of continuous actions, [*shape].
    sizes: of several discrete actions at once, int [*shape]: the policy chooses a combination.
    starts: the lowest of each of these, [*shape].
    """

    loss: LossName
    num_outputs: int
    description: str
    first: int = 0
    low: Any = None
    high: Any = None
    sizes: Any = None
    starts: Any = None

    def environment_actions(self, actions: Array) -> Sequence[Any]:
        """Convert actions to the arguments of `step`; continuous ones are clipped to the bounds.

        Args:
          actions: [..., actions].
        Returns:
          An argument for each action, flat over all but the last axis.
        """
        if make_loss(self.loss).discrete:
            chosen = actions[..., 0].ravel().astype(int)
            if self.sizes is None:
                numbers: list[int] = (self.first + chosen).tolist()
                return numbers
            places = np.stack(np.unravel_index(chosen, self.sizes.ravel()), axis=-1)
            return list(self.starts + places.reshape(-1, *self.sizes.shape))
        clipped = np.clip(np.reshape(actions, (-1, *self.low.shape)), self.low, self.high)
        return list(clipped)

    def random(self, rng: np.random.Generator, shape: Sequence[int]) -> Array:
        """Draw actions that ignore observations, float32 [*shape, actions].

        Discrete actions are uniform. Numbers are uniform within their bounds, else standard normal.
        """
        if make_loss(self.loss).discrete:
            return rng.integers(self.num_outputs, size=(*shape, 1)).astype(np.float32)
        low, high = self.low.ravel().astype(np.float64), self.high.ravel().astype(np.float64)
        bounded = np.isfinite(low) & np.isfinite(high)
        size = (*shape, len(low))
        between = np.where(bounded, low, 0), np.where(bounded, high, 1)
        actions = np.where(bounded, rng.uniform(*between, size), rng.standard_normal(size))
        return actions.astype(np.float32)


def check_baseline(baseline: str, shape: Sequence[int]) -> None:
    """Raise ValueError if observations are too large for the linear baseline.

    It solves for twice as many weights as an observation has numbers.
    """
    if baseline == "linear" and math.prod(shape) > _MOST_NUMBERS:
        raise ValueError(
            f"task.baseline = 'linear' is fitted to all numbers of an observation, and there are "
            f"{math.prod(shape)}, {list(shape)}; {_MOST_NUMBERS} are allowed; use task.baseline = "
            "'none', or an environment with smaller observations"
        )


def look_at_actions(environment: str, space: Any) -> Actions:
    """Return the conversion of actions for `space`.

    Raises:
      ValueError: actions are neither discrete nor floating-point numbers, or are too many.
    """
    spaces = import_gymnasium().spaces
    if isinstance(space, spaces.Discrete):
        number = int(space.n)
        return Actions("categorical_policy", number, f"one of {number}", int(space.start))
    if isinstance(space, spaces.MultiDiscrete):
        return _combined(environment, space, space.nvec, space.start)
    if isinstance(space, spaces.MultiBinary):
        twos = np.full(space.shape, 2)
        return _combined(environment, space, twos, np.zeros_like(twos, space.dtype))
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        number = int(np.prod(space.shape))
        description = f"{number} number{'s' if number > 1 else ''}"
        return Actions("gaussian_policy", 2 * number, description, low=space.low, high=space.high)
    raise ValueError(
        f"{environment} has the action space {space}; a policy chooses discrete actions "
        "(Discrete, MultiDiscrete, MultiBinary), or gives floating-point numbers (Box)"
    )


def _combined(environment: str, space: Any, sizes: Any, starts: Any) -> Actions:
    number = math.prod(map(int, sizes.ravel()))
    if number > _MOST_COMBINATIONS:
        raise ValueError(
            f"{environment} has the action space {space}, of {number:,} combinations; a policy "
            f"chooses one of {_MOST_COMBINATIONS:,} at most: wrap it so that it takes fewer actions"
        )
    factors = " x ".join(str(size) for size in sizes.ravel())
    description = f"one of {number} ({factors})"
    return Actions("categorical_policy", number, description, sizes=sizes, starts=starts)


@dataclass(frozen=True, slots=True)
class Spaces:
    """The spaces of one task, which all others must have, as one policy acts in all.

    task: its name, for errors.
    """

    task: str
    observations: Any
    actions: Any

    def check(self, task: str, environment: Any) -> None:
        """Raise ValueError if an environment of another task shows or takes something else.

        The bounds of observations may differ.
        """
        box = import_gymnasium().spaces.Box
        ours, own = self.observations, environment.observation_space
        if isinstance(ours, box) and isinstance(own, box):
            self._compare(ours.shape == own.shape, "observation", ours, task, own)
        else:
            self._compare(ours == own, "observation", ours, task, own)
        own = environment.action_space
        self._compare(self.actions == own, "action", self.actions, task, own)

    def _compare(self, is_same: bool, what: str, ours: Any, task: str, own: Any) -> None:
        if not is_same:
            raise ValueError(
                f"tasks differ in their {what} space: '{self.task}' has {shortened(ours)}, "
                f"'{task}' has {shortened(own)}; one policy acts in all tasks: wrap them so that "
                "they have one"
            )
