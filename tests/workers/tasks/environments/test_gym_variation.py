"""What varies between gymnasium tasks: attributes, and arguments of constructors."""

import gymnasium
import numpy as np
import pytest
from small_gym_families import (
    STEEP,
    added,
    arguments_and_attributes,
    rolled,
    sampled,
    slopes,
    task_of,
)

from workers.settings.environments.gym_task import GymTask
from workers.settings.environments.varied import Varied
from workers.tasks.environments.gym import GymFamily
from workers.tasks.environments.variation import describe_variation, vary

pytest.importorskip("gymnasium")


def test_a_task_has_its_own_attributes():
    family = slopes(**STEEP)
    specs = sampled(family)
    observed = rolled(family, specs, [0.0])
    expected = -0.1 * specs["varied/steepness"]
    np.testing.assert_allclose(observed[1][..., 1], np.tile(expected[:, None], 2), rtol=1e-5)
    # An environment is used again: nothing of the task before stays.
    others = sampled(family, step=1)
    observed = rolled(family, others, [0.0])
    expected = -0.1 * others["varied/steepness"]
    np.testing.assert_allclose(observed[1][..., 1], np.tile(expected[:, None], 2), rtol=1e-5)


def test_a_task_may_have_its_own_arguments_of_the_constructor():
    family = slopes(vary={"length": {"uniform": [0.1, 0.2]}, **STEEP["vary"]})
    specs = sampled(family)
    assert set(specs) == {"varied/length", "varied/steepness", "rollouts"}
    assert arguments_and_attributes(family) == (["length"], ["steepness"])
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
    observed = rolled(family, specs, [0.0])
    expected = -0.1 * specs["varied/weight"] / 2
    np.testing.assert_allclose(observed[1][:, 0, 1], expected, rtol=1e-5)


def test_what_is_computed_from_an_argument_follows_it(monkeypatch):
    import small_gym

    class Heavy(small_gym.Slope):
        def __init__(self, mass=10.0):
            super().__init__()
            self.mass, self.steepness = mass, mass / 2

    varied = {"mass": {"choice": [1.0, 4.0]}}
    family = GymFamily(task_of(added(monkeypatch, Heavy), vary=varied))
    specs = sampled(family, hi=6)
    observed = rolled(family, specs, [0.0])
    np.testing.assert_allclose(observed[1][:, 0, 1], -0.05 * specs["varied/mass"], rtol=1e-5)


def test_arguments_of_a_function_and_attributes_of_a_wrapper_vary(monkeypatch):
    import small_gym

    class Dearer(gymnasium.RewardWrapper):
        price = 2.0

        def reward(self, reward):
            return self.price * reward

    def make(steepness=0.0, **more):
        environment = Dearer(small_gym.Slope(**more))
        environment.unwrapped.steepness = steepness
        return environment

    varied = {"steepness": {"uniform": [0, 1]}, "price": {"choice": [1, 4]}}
    name = added(monkeypatch, make)
    family = GymFamily(task_of(name, vary={**varied, "friction": {"choice": [0, 1]}}))
    assert arguments_and_attributes(family) == (["steepness", "friction"], ["price"])
    specs = sampled(family)
    observed, rewards, _ = rolled(family, specs, [0.0])[1:]
    expected = -np.abs(observed[..., 0]) * specs["varied/price"][:, None]
    np.testing.assert_allclose(rewards, expected, rtol=1e-5)
    np.testing.assert_allclose(observed[:, 0, 1], -0.1 * specs["varied/steepness"], rtol=1e-5)


def test_a_function_is_given_only_what_it_takes(monkeypatch):
    """What the class of its environment would take is set."""
    import small_gym

    def make(steepness=0.0):
        return small_gym.Slope(length=3.0)

    varied = {"length": {"uniform": [1, 2]}}
    family = GymFamily(task_of(added(monkeypatch, make), vary=varied))
    assert arguments_and_attributes(family) == ([], ["length"])


def test_what_the_class_of_a_known_name_takes_is_given_to_it():
    varied = {name: Varied(uniform=(5.0, 15.0)) for name in ("g", "m")}
    family = GymFamily(GymTask(environment="Pendulum-v1", vary=varied))
    assert arguments_and_attributes(family) == (["g"], ["m"])
    with pytest.raises(ValueError, match=r"task\.vary\.colour: Pendulum-v1 has no such attribute"):
        GymFamily(GymTask(environment="Pendulum-v1", vary={"colour": varied["g"]}))


def test_whole_numbers_stay_whole(monkeypatch):
    import small_gym

    class Repeated(small_gym.Slope):
        def __init__(self, times=1):
            super().__init__(length=float("1" * times))

    varied = {"times": {"choice": [1, 2]}}
    family = GymFamily(task_of(added(monkeypatch, Repeated), vary=varied))
    assert family.make(sampled(family), 0).length in (1.0, 11.0)


@pytest.mark.parametrize(
    "choice",
    [(True, False), (1, 2.5), (False, 2), (0, 1), ((True, 2, 0.5), (False, 1, 2.0))],
    ids=str,
)
@pytest.mark.parametrize("split", [False, True])
def test_values_of_a_choice_reach_the_environment_as_they_are_written(monkeypatch, choice, split):
    import small_gym

    class Kept(small_gym.Slope):
        def __init__(self, kept=choice[0], other=0):
            super().__init__()
            self.kept = kept

    splits = {"train_tasks": 2, "validation_tasks": 1, "test_tasks": 1} if split else {}
    varied = {"kept": {"choice": choice}, "other": {"choice": [1, 2]}}
    family = GymFamily(task_of(added(monkeypatch, Kept), vary=varied, **splits))
    specs = sampled(family, hi=12)
    seen = {repr(family.make(specs, task).kept) for task in range(12)}
    written = {repr(list(value) if isinstance(value, tuple) else value) for value in choice}
    assert seen <= written
    assert split or seen == written


def test_an_attribute_that_is_true_or_false_varies(monkeypatch):
    import small_gym

    class Lit(small_gym.Slope):
        def __init__(self):
            super().__init__()
            self.lit = True

    varied = {"lit": {"choice": [True, False]}}
    family = GymFamily(task_of(added(monkeypatch, Lit), vary=varied))
    specs = sampled(family, hi=6)
    assert {family.make(specs, task).lit for task in range(6)} == {True, False}
    assert describe_variation(Varied(choice=(True, False))) == "one of true, false"


UNIT = np.linspace(0, 1, 1000, endpoint=False)


def test_a_number_varies_as_it_is_said():
    np.testing.assert_allclose(vary(Varied(uniform=(5, 15)), UNIT), 5 + 10 * UNIT)
    logs = np.log(vary(Varied(loguniform=(0.1, 10)), UNIT))
    np.testing.assert_allclose(logs, np.log(0.1) + UNIT * np.log(100))
    values, counts = np.unique(vary(Varied(choice=(-1, 4)), UNIT), return_counts=True)
    assert (values.tolist(), counts.tolist()) == ([-1, 4], [500, 500])
    assert describe_variation(Varied(uniform=(5, 15))) == [5, 15]
    assert describe_variation(Varied(choice=(-1, 4))) == "one of -1, 4"


@pytest.mark.parametrize(
    ("varied", "error"),
    [
        ({}, "give one of"),
        ({"uniform": (0, 1), "choice": (0, 1)}, "give one of"),
        ({"uniform": (1, 1)}, "low must be below high"),
        ({"loguniform": (0, 1)}, "low must be above 0"),
        ({"choice": (1,)}, "at least 2"),
    ],
)
def test_how_a_number_varies_is_said_in_one_way(varied, error):
    with pytest.raises(ValueError, match=error):
        Varied(**varied)
