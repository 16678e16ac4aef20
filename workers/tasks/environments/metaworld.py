"""Meta-World under the rules of gymnasium: seeded by reset, with goals that are values."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np

from workers.tasks.splits import SPLITS

_NUM_GOALS = 50
#: What is added to the seed of the goals; test as in Meta-World's own ML1.
_OFFSETS = {"train": 0, "test": 1, "validation": 2}
_INSTALL = "Meta-World; pip install 'metatrain[metaworld]', in a Python environment of its own"


class MetaWorld(gymnasium.Env):
    """An environment of Meta-World, such as reach-v3, with one of ML1's goals.

    Its own `reset(seed=...)` passes no seed on, and its goals are drawn from numpy's global state.
    Here a goal is a value, and all that could be random in an episode is drawn from its seed.

    goals: "train", "validation" or "test": 50 goals each, drawn as Meta-World's ML1 does, from
      goal_seed, goal_seed + 2 and goal_seed + 1.
    goal: the number of the goal, 0 to 49. It is the place of the object too: Meta-World draws both
      at once.
    packages: what its episodes depend on.
    Source: Yu et al. 2019, arXiv:1910.10897; McLean et al. 2025, arXiv:2505.11289 (v3).
    """

    packages = ("metaworld", "mujoco")
    metadata = {"render_modes": ["rgb_array"], "render_fps": 80}  # noqa: RUF012

    def __init__(
        self,
        name: str,
        sees_goal: bool = False,
        goal_seed: int = 0,
        render_mode: str | None = None,
    ):
        """Find the environment; it is made by the first `reset`.

        Args:
          name: as Meta-World calls it, such as "reach-v3".
          sees_goal: whether observations hold the goal; else zeros are in its place (ML1).
          goal_seed: of the goals, 0 to 2^32 - 3.
        Raises:
          DependencyNotInstalled: Meta-World is not installed.
          ValueError: it has no such environment, or a value is none of the allowed.
        """
        if goal_seed not in range(2**32 - 2):
            raise ValueError(f"goal_seed = {goal_seed!r} is no whole number from 0 to 2^32 - 3")
        self.render_mode = render_mode
        self.observation_space, self.action_space = _spaces(name, bool(sees_goal))
        self._name, self._sees_goal, self._goal_seed = name, bool(sees_goal), goal_seed
        self._goals, self._goal = "train", 0
        self._inner: Any = None

    @property
    def goals(self) -> str:
        """The list that the goal is of."""
        return self._goals

    @goals.setter
    def goals(self, value: str) -> None:
        if value not in SPLITS:
            raise ValueError(f"goals = {value!r}; Meta-World's are of {', '.join(SPLITS)}")
        self._goals = value

    @property
    def goal(self) -> int:
        """The number of the goal."""
        return self._goal

    @goal.setter
    def goal(self, value: int) -> None:
        if value not in range(_NUM_GOALS):
            raise ValueError(f"goal = {value!r}; Meta-World has goals 0 to {_NUM_GOALS - 1}")
        self._goal = int(value)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode at the goal."""
        super().reset(seed=seed)
        if self._inner is None:
            self._inner = _make(self._name, self.render_mode)
        tasks = _tasks(self._name, self._sees_goal, self._goals, self._goal_seed)
        self._inner.set_task(tasks[self._goal])
        own = int(self.np_random.integers(2**31))
        self._inner.seed(own)
        with _numpy_seeded(own):
            observation, info = self._inner.reset()
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a step; `info["success"]` is 1 where Meta-World says it is one."""
        observation, reward, terminated, truncated, info = self._inner.step(action)
        return observation, float(reward), bool(terminated), bool(truncated), info

    def render(self) -> Any:
        """Draw the scene, as `render_mode` says."""
        return self._inner.render()

    def close(self) -> None:
        """Close the simulation."""
        if self._inner is not None:
            self._inner.close()
            self._inner = None


def adapted(name: str) -> Any:
    """Return the maker of the environment that Meta-World calls `name`.

    Returns:
      None: the name is one that Meta-World has registered with gymnasium.
    """
    return None if "/" in name else functools.partial(MetaWorld, name)


def _metaworld() -> Any:
    try:
        import metaworld
    except ModuleNotFoundError as error:
        raise gymnasium.error.DependencyNotInstalled(_INSTALL) from error
    return metaworld


def _class(name: str) -> Any:
    """Return the class of an environment. Raises ValueError: there is no such one."""
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS as CLASSES

    if name not in CLASSES:
        raise ValueError(f"Meta-World has no {name!r}; it has {', '.join(sorted(CLASSES))}")
    return CLASSES[name]


def _make(name: str, render_mode: str | None = None) -> Any:
    options = {"render_mode": render_mode, "camera_name": "corner2"} if render_mode else {}
    return _class(name)(**options)


@functools.cache
def _spaces(name: str, sees_goal: bool) -> tuple[Any, Any]:
    """Return the spaces of observations and actions; making an environment takes 200 ms."""
    _metaworld()
    environment = _make(name)
    if sees_goal:  # a new one hides it
        environment.set_task(_tasks(name, sees_goal, "train", 0)[0])
    spaces = environment.sawyer_observation_space, environment.action_space
    environment.close()
    return spaces


def _tasks(name: str, sees_goal: bool, goals: str, seed: int) -> Any:
    """Return Meta-World's tasks of a list of goals."""
    if goals == "test" and not sees_goal:
        return _benchmark(name, sees_goal, seed).test_tasks
    return _benchmark(name, sees_goal, seed + _OFFSETS[goals]).train_tasks


@functools.cache
def _benchmark(name: str, sees_goal: bool, seed: int) -> Any:
    """Make Meta-World's benchmark; to draw 50 goals takes it a second.

    MT1 draws the goals that ML1 does, and shows them.
    """
    return (_metaworld().MT1 if sees_goal else _metaworld().ML1)(name, seed=seed)


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global state, which Meta-World may draw from, and restore it."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
