"""Environments with gymnasium's interface, as a user would write them."""

import os
import signal

import gymnasium
import numpy as np
from gymnasium import spaces


class Slope(gymnasium.Env):
    """A ball on a slope of unknown steepness; it is pushed, and should stay where it is."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,))
    action_space = spaces.Box(-1.0, 1.0, (1,))

    def __init__(self, friction=0.1, length=4.0):
        self.steepness, self.friction, self.length = 0.5, friction, length
        self.pushed = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.speed = self.np_random.uniform(-1, 1), 0.0
        return self._seen(), {}

    def step(self, action):
        self.pushed.append(float(action[0]))
        self.speed += 0.1 * (float(action[0]) - self.steepness - self.friction * self.speed)
        self.place += 0.1 * self.speed
        return self._seen(), -abs(self.place), abs(self.place) > self.length, False, {}

    def _seen(self):
        return np.array([self.place, self.speed])


class Switch(gymnasium.Env):
    """Actions 1 and 2, one of which is worth something; an episode lasts three steps."""

    observation_space = spaces.Box(0.0, 3.0, (1,))
    action_space = spaces.Discrete(2, start=1)
    right = 1.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.time += 1
        return np.float32([self.time]), float(action == self.right), False, self.time == 3, {}


class Lucky(Switch):
    """The right action at step 1 is a success, which the steps after it do not undo."""

    success = "is_success"

    def step(self, action):
        observation, reward, *rest, _ = super().step(action)
        reward *= self.time == 2
        return observation, reward, *rest, {self.success: np.float32(reward)}


class Camera(gymnasium.Env):
    """A bright spot on the left or on the right; the action with its number is right."""

    observation_space = spaces.Box(0, 255, (6, 8, 1), np.uint8)
    action_space = spaces.Discrete(2)
    inverted = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self._seen(), {}

    def step(self, action):
        self.time += 1
        reward = float(action == (self.side != self.inverted))
        return self._seen(), reward, False, self.time == 3, {}

    def _seen(self):
        self.side = int(self.np_random.integers(2))
        image = np.zeros((6, 8, 1), np.uint8)
        image[:, 4 * self.side : 4 * self.side + 4] = 255
        return image


class Words(Switch):
    observation_space = spaces.Text(5)


class Spoken(Switch):
    action_space = spaces.Text(5)


class Many(Switch):
    action_space = spaces.MultiDiscrete([11, 11, 11])


class Pairs(Switch):
    """Two actions at once, of which one combination is right; all that is seen is discrete."""

    observation_space = spaces.Dict(
        {"time": spaces.Discrete(4), "last": spaces.Tuple([spaces.Box(-1.0, 1.0, ())])}
    )
    action_space = spaces.MultiDiscrete([2, 3], start=[1, 0])
    right = 5

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return {"time": 0, "last": (np.zeros((), np.float32),)}, {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.time += 1
        reward = float(3 * (action[0] - 1) + action[1] == self.right)
        seen = {"time": self.time, "last": (np.float32(reward),)}
        return seen, reward, False, self.time == 3, {}


class Broken(Switch):
    def __init__(self):
        raise RuntimeError("the motor is missing")


class Nan(Switch):
    def step(self, action):
        seen, _, *rest = super().step(action)
        return seen, float("nan") if self.time == 2 else 0.0, *rest


class NoEnvironment:
    """Has nothing of gymnasium's."""


class Shown(Slope):
    """Paints where its ball is."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(self, render_mode=None, friction=0.1):
        super().__init__(friction)
        self.render_mode = render_mode

    def render(self):
        brightness = 128 + 60 * np.tanh(self.place)
        return np.full((110, 150, 3), brightness, np.uint8)


class Blind(Shown):
    def render(self):
        raise RuntimeError("no screen")


class Crashing(Shown):
    def render(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Robot(Slope):
    """Of a kind, and with a goal; its wheels slip."""

    def __init__(self, kind="ant", goal=(0.0, 0.0)):
        assert kind in ("ant", "bee")
        super().__init__()
        self.kind, self.goal, self.grip = kind, goal, np.array([1, 1])


class Tilted(Slope):
    """Another slope, of the same spaces."""

    def __init__(self, tilt=1.0):
        super().__init__()
        self.steepness = tilt


class Wide(Slope):
    """A slope of which more is seen."""

    observation_space = spaces.Box(-np.inf, np.inf, (3,))

    def _seen(self):
        return np.array([self.place, self.speed, 0.0])


class Strong(Slope):
    """A slope with other bounds of its actions."""

    action_space = spaces.Box(-2.0, 2.0, (1,))
