"""A package with the shape of Meta-World's interface: benchmarks, tasks, and arms that break rules.

As there, `reset` passes no seed on, and what is random comes from numpy's global state.
"""

import pickle
import sys
from types import ModuleType
from typing import NamedTuple

import numpy as np
from gymnasium import spaces


class Task(NamedTuple):
    env_name: str
    data: bytes


class Arm:
    """A hand in three dimensions, moved by at most 0.1 along each; it starts about the origin."""

    action_space = spaces.Box(-1.0, 1.0, (4,))
    goal_space = spaces.Box(-0.3, 0.3, (3,))

    def __init__(self, render_mode=None, camera_name=None):
        self.seeds, self.closed = [], False
        self._goal = self._shown = None

    @property
    def sawyer_observation_space(self):
        return spaces.Box(-np.inf, np.inf, (6,))

    def seed(self, seed):
        self.seeds.append(seed)

    def set_task(self, task):
        data = pickle.loads(task.data)
        self._goal, self._shown = data["rand_vec"], not data["partially_observable"]

    def reset(self, seed=None, options=None):
        self.hand = np.random.uniform(-0.01, 0.01, 3)
        return self._seen(), {}

    def step(self, action):
        self.hand = self.hand + 0.1 * np.clip(action[:3], -1, 1)
        distance = np.linalg.norm(self.hand - self._goal)
        return self._seen(), -distance, False, False, {"success": float(distance < 0.1)}

    def close(self):
        self.closed = True

    def _seen(self):
        return np.concatenate([self.hand, self._goal if self._shown else np.zeros(3)])


def _drawn(name, seed, hidden):
    goals = np.random.RandomState(seed).uniform(-0.3, 0.3, (50, 3))
    return [
        Task(name, pickle.dumps({"rand_vec": goal, "partially_observable": hidden}))
        for goal in goals
    ]


class ML1:
    """Hidden goals; those of tests are drawn from the next seed."""

    def __init__(self, env_name, seed=None):
        self.train_tasks = _drawn(env_name, seed, True)
        self.test_tasks = _drawn(env_name, seed + 1, True)


class MT1:
    """The same goals, shown, without tests."""

    def __init__(self, env_name, seed=None):
        self.train_tasks, self.test_tasks = _drawn(env_name, seed, False), []


def install(monkeypatch, **classes):
    """Put it in Meta-World's place, with these environments beside reach-v3 and push-v3."""
    from workers.tasks.environments import gym_source, metaworld

    package, names = ModuleType("metaworld"), ModuleType("metaworld.env_dict")
    package.ML1, package.MT1, package.__file__ = ML1, MT1, __file__
    arms = {"reach-v3": Arm, "push-v3": type("Push", (Arm,), {})}
    names.ALL_V3_ENVIRONMENTS = arms | classes
    monkeypatch.setitem(sys.modules, "metaworld", package)
    monkeypatch.setitem(sys.modules, "metaworld.env_dict", names)
    monkeypatch.setattr(gym_source, "version", lambda name: f"made-up {name}")
    monkeypatch.setattr(metaworld, "_spaces", metaworld._spaces.__wrapped__)
    monkeypatch.setattr(metaworld, "_benchmark", metaworld._benchmark.__wrapped__)
