"""How an environment is named, and what is said of one that shows no array of numbers."""

import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from small_gym_families import added, breaking, task_of

from workers.settings.environments.gym_task import GymTask
from workers.tasks.environments.gym import GymFamily

PACKAGE = """
import gymnasium
from small_gym import Slope


class Steep(Slope):
    def __init__(self, friction=0.1):
        super().__init__(friction)
        self.steepness = 0.9


for name in ("Steep-5x5-v0", "mine/Steep-v1", "SteepAlone"):
    gymnasium.register(name, "small_package:Steep", max_episode_steps=7)
"""


def family(folder, name, **changes):
    return GymFamily(GymTask(environment=f"small_package:{name}", folder=folder, **changes))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "small_package.py").write_text(PACKAGE)
    yield str(tmp_path)
    for name in ("Steep-5x5-v0", "mine/Steep-v1", "SteepAlone"):
        gymnasium.registry.pop(name, None)
    sys.modules.pop("small_package", None)
    if str(tmp_path) in sys.path:
        sys.path.remove(str(tmp_path))


@pytest.mark.parametrize("name", ["Steep-5x5-v0", "mine/Steep-v1", "SteepAlone"])
def test_a_name_that_a_package_registers_is_known_behind_the_package(folder, name):
    registered = family(folder, name, vary={"friction": {"choice": [0.1, 0.2]}})
    specs = {"varied/friction": np.array([0.2]), "rollouts": np.array([1], np.uint64)}
    made = registered.make(specs, 0)
    assert (made.unwrapped.steepness, made.unwrapped.friction) == (0.9, 0.2)
    assert made.spec.max_episode_steps == 7


def test_a_class_of_the_package_is_still_ones_own(folder):
    custom = family(folder, "Steep")
    assert custom.make({"rollouts": np.array([1], np.uint64)}, 0).spec is None


def test_a_name_that_a_package_does_not_register_is_refused(folder):
    with pytest.raises(ValueError, match="small_package has no class or function 'Other'"):
        family(folder, "Other")
    with pytest.raises(ValueError, match=r"'small_package:Other-v3' cannot be made .*Other"):
        family(folder, "Other-v3")


def test_the_package_is_part_of_the_digest(folder, tmp_path):
    first = family(folder, "Steep-5x5-v0").digest
    with (tmp_path / "small_package.py").open("a") as file:
        file.write("# changed\n")
    assert family(folder, "Steep-5x5-v0").digest != first


BOX = spaces.Box(0, 1, (2,))


def test_of_a_space_that_cannot_it_says_what_goes_before(monkeypatch):
    space = spaces.Dict({"a": spaces.Sequence(BOX)})
    environment = added(monkeypatch, breaking(observation_space=space))
    with pytest.raises(ValueError, match=r"wrap it in gymnasium\.wrappers\.FilterObservation"):
        GymFamily(task_of(environment))
