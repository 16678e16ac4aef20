"""Environments of gymnasium, and of a user's own."""

import sys
from pathlib import Path

import numpy as np
import pytest

from workers.protocol import Draw
from workers.settings.environments import GymTask, Varied
from workers.tasks.gym import GymFamily, told, vary

pytest.importorskip("gymnasium")

FOLDER = str(Path(__file__).parent)


def task_of(name, **changes):
    vary = {key: Varied(**value) for key, value in changes.pop("vary", {}).items()}
    return GymTask(environment=name, folder=FOLDER, vary=vary, **changes)


def slopes(**changes):
    return GymFamily(task_of("small_gym:Slope", **changes))


STEEP = {"vary": {"steepness": {"uniform": [0.0, 1.0]}}}


def rolled(family, specs, actions, episodes=2):
    """What is observed, and the rewards, under fixed actions."""
    generators = [np.random.default_rng(int(seed) % 2**32) for seed in specs["rollouts"]]
    environments = family.environments(specs, episodes, generators)
    found = [environments.reset()]
    for action in actions:
        given = np.full((*found[0].shape[:2], 1), action, np.float32)
        seen, rewards, over = environments.step(given)
        found += [seen, rewards, over]
    return found


def sampled(family, lo=0, hi=3, step=0):
    return family.sample(Draw(0, "train", step), lo, hi, 0, 0)


def test_numbers_to_give_are_a_gaussian_policy_and_a_few_to_choose_from_a_categorical():
    slope, switch = slopes(), GymFamily(task_of("small_gym:Switch"))
    assert (slope.loss, slope.num_outputs, slope.input_shape) == ("gaussian_policy", 2, (2,))
    assert (switch.loss, switch.num_outputs) == ("categorical_policy", 2)


def test_a_task_has_its_own_attributes():
    family = slopes(**STEEP)
    specs = sampled(family)
    seen = rolled(family, specs, [0.0])
    expected = -0.1 * specs["varied/steepness"]
    np.testing.assert_allclose(seen[1][..., 1], np.tile(expected[:, None], 2), rtol=1e-5)
    # An environment is used again: nothing of the task before stays.
    others = sampled(family, step=1)
    seen = rolled(family, others, [0.0])
    expected = -0.1 * others["varied/steepness"]
    np.testing.assert_allclose(seen[1][..., 1], np.tile(expected[:, None], 2), rtol=1e-5)


def test_a_task_may_have_its_own_arguments_of_the_constructor():
    family = slopes(vary={"length": {"uniform": [0.1, 0.2]}, **STEEP["vary"]})
    specs = sampled(family)
    assert set(specs) == {"varied/length", "varied/steepness", "rollouts"}
    assert family._attributes == ["length", "steepness"]
    specs = sampled(GymFamily(task_of("small_gym:Slope", arguments={"length": 9.0})))
    assert set(specs) == {"rollouts"}


def test_what_varies_in_the_constructor_alone_is_given_to_it(monkeypatch):
    import small_gym

    class Hidden(small_gym.Slope):
        def __init__(self, weight=1.0):
            super().__init__()
            self.steepness = weight / 2

    monkeypatch.setattr(small_gym, "Hidden", Hidden, raising=False)
    varied = {"weight": {"choice": [1.0, 4.0]}}
    family = GymFamily(task_of("small_gym:Hidden", vary=varied))
    specs = sampled(family, hi=6)
    seen = rolled(family, specs, [0.0])
    expected = -0.1 * specs["varied/weight"] / 2
    np.testing.assert_allclose(seen[1][:, 0, 1], expected, rtol=1e-5)


def test_episodes_are_a_function_of_the_seeds_whatever_was_run_before():
    family = slopes(**STEEP)
    specs = sampled(family)
    first = rolled(family, specs, [0.3, -0.2])
    rolled(family, sampled(family, step=5), [1.0])
    for before, again in zip(first, rolled(family, specs, [0.3, -0.2]), strict=True):
        np.testing.assert_array_equal(before, again)
    for before, again in zip(first, rolled(slopes(**STEEP), specs, [0.3, -0.2]), strict=True):
        np.testing.assert_array_equal(before, again)
    assert len(np.unique(first[0][..., 0])) == 6


def test_a_task_does_not_depend_on_which_others_are_drawn_with_it():
    family = slopes(**STEEP)
    whole, tail = sampled(family, hi=6), sampled(family, lo=4, hi=6)
    for name, values in tail.items():
        np.testing.assert_array_equal(values, whole[name][4:])


def test_numbers_are_clipped_to_their_bounds():
    family = slopes()
    specs = sampled(family, hi=1)
    strong, strongest = rolled(family, specs, [1.0]), rolled(family, specs, [50.0])
    np.testing.assert_array_equal(strong[1], strongest[1])
    assert family._idle[0].pushed == [1.0, 1.0]


def test_an_episode_that_is_over_rests_and_its_own_time_limit_ends_it():
    family = GymFamily(task_of("small_gym:Switch"))
    seen = rolled(family, sampled(family, hi=1), [0, 1, 0, 1])
    rewards, over = seen[2::3], seen[3::3]
    assert [each[0, 0] for each in rewards] == [1, 0, 1, 0]
    assert [bool(each.all()) for each in over] == [False, False, True, True]
    np.testing.assert_array_equal(seen[-3], seen[-6])


def test_gymnasiums_own_environments_are_known_by_name():
    varied = {"gravity": {"uniform": [5.0, 15.0]}}
    family = GymFamily(GymTask(environment="CartPole-v1", vary={"gravity": varied["gravity"]}))
    assert (family.loss, family.input_shape) == ("categorical_policy", (4,))
    specs = sampled(family)
    rolled(family, specs, [1.0])
    values = [family._idle[2 * task].unwrapped.gravity for task in range(3)]
    np.testing.assert_array_equal(values, specs["varied/gravity"])


UNIT = np.linspace(0, 1, 1000, endpoint=False)


def test_a_number_varies_as_it_is_said():
    np.testing.assert_allclose(vary(Varied(uniform=(5, 15)), UNIT), 5 + 10 * UNIT)
    logs = np.log(vary(Varied(loguniform=(0.1, 10)), UNIT))
    np.testing.assert_allclose(logs, np.log(0.1) + UNIT * np.log(100))
    values, counts = np.unique(vary(Varied(choice=(-1, 4)), UNIT), return_counts=True)
    assert (values.tolist(), counts.tolist()) == ([-1, 4], [500, 500])
    assert told(Varied(uniform=(5, 15))) == [5, 15]
    assert told(Varied(choice=(-1, 4))) == "one of -1, 4"


@pytest.mark.parametrize(
    ("varied", "error"),
    [
        ({}, "give one of"),
        ({"uniform": (0, 1), "choice": (0, 1)}, "give one of"),
        ({"uniform": (1, 1)}, "low must be below high"),
        ({"loguniform": (0, 1)}, "begins above 0"),
        ({"choice": (1,)}, "at least 2"),
    ],
)
def test_how_a_number_varies_is_said_in_one_way(varied, error):
    with pytest.raises(ValueError, match=error):
        Varied(**varied)


@pytest.mark.parametrize(
    ("name", "changes", "error"),
    [
        ("small_gym:Words", {}, "shows Text.*a policy sees arrays of numbers"),
        ("small_gym:Pairs", {}, "takes MultiDiscrete.*a policy chooses one of a few"),
        ("small_gym:Broken", {}, "RuntimeError: the motor is missing"),
        ("small_gym:NoEnvironment", {}, "gave a NoEnvironment, not a gymnasium.Env"),
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


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ValueError, match=r"needs gymnasium: pip install 'metatrain\[gym\]'"):
        GymFamily(task_of("CartPole-v1"))
    monkeypatch.undo()
    import gymnasium

    def lacking(*given, **named):
        raise gymnasium.error.DependencyNotInstalled("no mujoco")

    monkeypatch.setattr(gymnasium, "make", lacking)
    with pytest.raises(ValueError, match=r"no mujoco; pip install 'metatrain\[mujoco\]'"):
        GymFamily(task_of("HalfCheetah-v5"))


def test_another_module_is_another_digest():
    ours = slopes().digest
    assert ours == slopes().digest
    assert ours != GymFamily(GymTask(environment="CartPole-v1")).digest
