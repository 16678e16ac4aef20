"""Families of small gymnasium environments, and episodes in them."""

from pathlib import Path

import numpy as np

from workers.settings.environments.gym_task import GymTask
from workers.settings.environments.varied import Varied
from workers.tasks.environments.gym import GymFamily
from workers.wire.protocol import Draw

FOLDER = str(Path(__file__).parents[3] / "fakes/tasks")


def task_of(name, **changes):
    vary = {key: Varied(**value) for key, value in changes.pop("vary", {}).items()}
    return GymTask(environment=name, folder=FOLDER, vary=vary, **changes)


def slopes(**changes):
    return GymFamily(task_of("small_gym:Slope", **changes))


STEEP = {"vary": {"steepness": {"uniform": [0.0, 1.0]}}}


def rolled(family, specs, actions, episodes=2, size=1):
    """What is observed, and the rewards, under fixed actions."""
    generators = [np.random.default_rng(int(seed) % 2**32) for seed in specs["rollouts"]]
    environments = family.environments(specs, episodes, generators)
    trace = [environments.reset()]
    for action in actions:
        batch = np.full((*trace[0].shape[:2], size), action, np.float32)
        observations, rewards, over = environments.step(batch)
        trace += [observations, rewards, over]
    return trace


def sampled(family, lo=0, hi=3, step=0):
    return family.sample(Draw(0, "train", step), lo, hi, 0, 0)


def arguments_and_attributes(family):
    (maker,) = family._makers.values()
    arguments = [name for name, is_argument in maker._is_argument.items() if is_argument]
    return arguments, [name for name in maker._is_argument if name not in arguments]


def added(monkeypatch, environment):
    """To small_gym, as 'Added'."""
    import small_gym

    monkeypatch.setattr(small_gym, "Added", environment, raising=False)
    return "small_gym:Added"


def breaking(**parts):
    """A slope with other parts."""
    import small_gym

    return type("Breaking", (small_gym.Slope,), parts)
