"""Environments of gymnasium, and of a user's own."""

import numpy as np
import pytest
from small_gym_families import STEEP, added, rolled, sampled, slopes, task_of

from workers.settings.environments.gym_task import GymTask
from workers.settings.environments.varied import Varied
from workers.tasks.environments.gym import GymFamily

pytest.importorskip("gymnasium")


def test_numbers_to_give_are_a_gaussian_policy_and_a_few_to_choose_from_a_categorical():
    slope, switch = slopes(), GymFamily(task_of("small_gym:Switch"))
    assert (slope.loss, slope.num_outputs, slope.input_shape) == ("gaussian_policy", 2, (2,))
    assert (switch.loss, switch.num_outputs) == ("categorical_policy", 2)


def test_what_is_made_for_an_episode_alone_is_closed(monkeypatch):
    import small_gym

    closed = []

    class Closing(small_gym.Slope):
        def close(self):
            closed.append(self)

    family = GymFamily(task_of(added(monkeypatch, Closing), vary={"length": {"choice": [3, 4]}}))
    assert len(closed) == 2, "what was made to look at each value"
    specs = sampled(family, hi=2)
    generators = [np.random.default_rng(task) for task in range(2)]
    family.environments(specs, 3, generators).close()
    assert len(closed) == 2 + 6
    kept = GymFamily(task_of("small_gym:Added"))
    kept.environments(sampled(kept, hi=2), 3, generators).close()
    assert len(closed) == 2 + 6


def test_a_reward_may_be_an_array_of_one_number(monkeypatch):
    import small_gym

    class Array(small_gym.Slope):
        def step(self, action):
            observed, _, *rest = super().step(action)
            return observed, -(action**2), *rest

    family = GymFamily(task_of(added(monkeypatch, Array)))
    rewards = rolled(family, sampled(family), [0.5])[2]
    np.testing.assert_allclose(rewards, -0.25)


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
    assert family._idle[0].pushed[-2:] == [1.0, 1.0]


def test_an_episode_that_is_over_rests_and_its_own_time_limit_ends_it():
    family = GymFamily(task_of("small_gym:Switch"))
    observed = rolled(family, sampled(family, hi=1), [0, 1, 0, 1])
    rewards, over = observed[2::3], observed[3::3]
    assert [each[0, 0] for each in rewards] == [1, 0, 1, 0]
    assert [bool(each.all()) for each in over] == [False, False, True, True]
    np.testing.assert_array_equal(observed[-3], observed[-6])


def test_gymnasiums_own_environments_are_known_by_name():
    varied = {"gravity": {"uniform": [5.0, 15.0]}}
    family = GymFamily(GymTask(environment="CartPole-v1", vary={"gravity": varied["gravity"]}))
    assert (family.loss, family.input_shape) == ("categorical_policy", (4,))
    specs = sampled(family)
    rolled(family, specs, [1.0])
    values = [family._idle[2 * task].unwrapped.gravity for task in range(3)]
    np.testing.assert_array_equal(values, specs["varied/gravity"])


def test_another_module_is_another_digest():
    digest = slopes().digest
    assert digest == slopes().digest
    assert digest != GymFamily(GymTask(environment="CartPole-v1")).digest


def test_a_task_is_called_by_what_varies():
    varied = {name: Varied(choice=(value, value)) for name, value in (("m", 1.5), ("g", 9.81))}
    family = GymFamily(GymTask(environment="Pendulum-v1", vary=varied))
    specs = sampled(family)
    assert family.names(specs) == ["g 9.81, m 1.5"] * len(specs["rollouts"])


def test_tasks_that_are_all_the_same_are_told():
    (note,) = GymFamily(task_of("small_gym:Slope")).notes()
    assert note.startswith("task.vary is empty, so all tasks are the same environment")
    assert GymFamily(task_of("small_gym:Slope", **STEEP)).notes() == []
