"""Gymnasium environments that cannot be trained in, each refused with the reason."""

import sys

import gymnasium
import numpy as np
import pytest
from small_gym_families import added, breaking, task_of

from workers.tasks.environments.gym import GymFamily
from workers.wire.protocol import Draw

pytest.importorskip("gymnasium")


@pytest.mark.parametrize(
    ("name", "changes", "error"),
    [
        ("small_gym:Words", {}, "observation space Text.*a policy sees numbers"),
        ("small_gym:Spoken", {}, "action space Text.*a policy chooses discrete actions"),
        ("small_gym:Many", {}, "MultiDiscrete.*of 1,331 combinations; .* one of 1,024 at most"),
        ("small_gym:Broken", {}, "RuntimeError: the motor is missing"),
        ("small_gym:NoEnvironment", {}, "returned a NoEnvironment, not a gymnasium.Env"),
        ("small_gym:Nothing", {}, "small_gym has no class or function 'Nothing'"),
        ("nowhere:Slope", {}, "the module nowhere cannot be imported"),
        ("Nowhere-v0", {}, "cannot be made with.*Nowhere"),
        ("small_gym:Slope", {"arguments": {"weight": 3}}, "cannot be made with \\(weight=3\\)"),
        (
            "small_gym:Slope",
            {"vary": {"colour": {"choice": [1, 2]}}},
            "task.vary.colour: .* no such attribute or argument; it has steepness, friction",
        ),
    ],
)
def test_what_cannot_be_trained_in_is_refused(name, changes, error):
    with pytest.raises(ValueError, match=error):
        GymFamily(task_of(name, **changes))


def step_with(change):
    import small_gym

    def step(self, action):
        return change(small_gym.Slope.step(self, action))

    return step


def tired(self, action):
    """Ends its second episode, and all later ones, before the first."""
    import small_gym

    self.left -= 1
    observation, reward, *_ = small_gym.Slope.step(self, action)
    return observation, reward, self.left < 0, False, {}


def worn(self, action):
    """Rewards by chance after many steps."""
    import small_gym

    observation, reward, *rest = small_gym.Slope.step(self, action)
    return observation, reward if len(self.pushed) < 110 else np.random.random(), *rest


def reset_with(change):
    import small_gym

    def reset(self, *, seed=None, options=None):
        return change(small_gym.Slope.reset(self, seed=seed))

    return reset


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ({"observation_space": None}, "returned a Breaking without observation_space"),
        ({"reset": lambda self: None}, "reset.seed=.... raises TypeError: .*unexpected keyword"),
        ({"reset": reset_with(lambda result: result[0])}, "reset returns array.*not .observation"),
        (
            {"reset": reset_with(lambda result: ([7.0], {}))},
            r"reset returns .* shape \[1\], .*\[2\]",
        ),
        (
            {"step": step_with(lambda result: result[:4])},
            "step returns .*not .observation, reward, t",
        ),
        ({"step": step_with(lambda result: ([1.0], *result[1:]))}, r"step returns .* shape \[1\]"),
        (
            {"step": step_with(lambda result: (result[0], "much", *result[2:]))},
            "returns the reward 'much', not a number",
        ),
        (
            {"step": step_with(lambda result: (*result[:4], {"success": "perhaps"}))},
            r"step returns info\['success'\] = 'perhaps', not true or false",
        ),
        (
            {"step": step_with(lambda result: (result[0], np.random.random(), *result[2:]))},
            r"another episode the second time, .*: the reward of step 0 is 0\.\d+, then 0\.\d+; so",
        ),
        (
            {"left": 5, "step": tired},
            "another episode the second time, .*: it ends after 6 steps, then after 1; so",
        ),
        (
            {"step": worn},
            r"another episode the second time, .*: the reward of step \d+ is ",
        ),
        (
            {"reset": reset_with(lambda result: (result[0] + np.random.random(), {}))},
            r"another episode the second time, .*: the observation of reset is array.*, then array",
        ),
        (
            {"step": step_with(lambda result: (result[0] + np.random.random(), *result[1:]))},
            "another episode the second time, .*: the observation of step 0 is ",
        ),
    ],
)
def test_an_environment_that_breaks_its_interface_is_refused(monkeypatch, parts, error):
    with pytest.raises(ValueError, match=error):
        GymFamily(task_of(added(monkeypatch, breaking(**parts))))


def test_of_a_long_observation_the_number_that_differs_is_named(monkeypatch):
    def step(self, action):
        import small_gym

        _, *rest = small_gym.Slope.step(self, action)
        return np.append(np.zeros(29), len(self.pushed)), *rest

    parts = {
        "observation_space": gymnasium.spaces.Box(-np.inf, np.inf, (30,)),
        "reset": reset_with(lambda result: (np.zeros(30), {})),
        "step": step,
    }
    with pytest.raises(
        ValueError, match=r"of step 0 is array\(.*, of which number 29 is 1\.0, then"
    ):
        GymFamily(task_of(added(monkeypatch, breaking(**parts))))


def test_an_observation_that_changes_its_shape_later_is_named(monkeypatch):
    shown = 2
    environment = breaking(step=step_with(lambda result: (result[0][:shown], *result[1:])))
    family = GymFamily(task_of(added(monkeypatch, environment)))
    specs = family.sample(Draw(0, "train", 0), 0, 1, 1, 1)
    episodes = family.environments(specs, 1, [np.random.default_rng(0)])
    episodes.reset()
    shown = 1
    with pytest.raises(ValueError, match=r"step returns an observation of shape \[1\], not \[2\]"):
        episodes.step(np.zeros((1, 1, 1), np.float32))


def test_pictures_have_no_linear_baseline(monkeypatch):
    environment = breaking(observation_space=gymnasium.spaces.Box(0, 1, (50, 50)))
    with pytest.raises(ValueError, match=r"there are 2500, \[50, 50\]; 1000 are allowed"):
        GymFamily(task_of(added(monkeypatch, environment)))


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("step", "task.vary.step: 1.0 cannot replace <bound method"),
        ("dt", "task.vary.dt: small_gym:Added does not let it be set"),
    ],
)
def test_what_is_no_number_to_set_cannot_vary(monkeypatch, name, error):
    environment = breaking(dt=property(lambda self: 0.1))
    varied = {name: {"choice": [1.0, 2.0]}}
    with pytest.raises(ValueError, match=error):
        GymFamily(task_of(added(monkeypatch, environment), vary=varied))


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ValueError, match=r"needs gymnasium: pip install 'metatrain\[gym\]'"):
        GymFamily(task_of("CartPole-v1"))
    monkeypatch.undo()
    import gymnasium

    def lacking(*args, **named):
        raise gymnasium.error.DependencyNotInstalled("no mujoco")

    monkeypatch.setattr(gymnasium, "make", lacking)
    with pytest.raises(ValueError, match=r"no mujoco; pip install 'metatrain\[mujoco\]'"):
        GymFamily(task_of("HalfCheetah-v5"))
