import numpy as np
import pytest

from workers.settings.environments.navigation_task import NavigationTask
from workers.tasks.environments.navigation import NavigationFamily, Points
from workers.wire.protocol import Draw


@pytest.fixture
def family():
    return NavigationFamily(NavigationTask())


def points(*goals, num_episodes=2, **settings):
    return Points(NavigationTask(**settings), np.array(goals), num_episodes)


def everywhere(action, tasks=1, episodes=2):
    return np.tile(np.float32(action), (tasks, episodes, 1))


def test_a_point_starts_at_the_origin_and_moves_as_it_is_told():
    environments = points([0.3, -0.4])
    np.testing.assert_array_equal(environments.reset(), np.zeros((1, 2, 2)))
    actions = np.float32([[[0.05, -0.02], [0.0, 0.1]]])
    at, rewards, over = environments.step(actions)
    assert at.dtype == np.float32
    np.testing.assert_allclose(at, actions, atol=1e-7)
    expected = -np.hypot([0.25, 0.3], [-0.38, -0.5])
    np.testing.assert_allclose(rewards[0], expected, atol=1e-7)
    assert not over.any()


def test_a_step_is_clipped_along_each_axis():
    environments = points([0.5, 0.5])
    environments.reset()
    at, *_ = environments.step(everywhere([3.0, -7.0]))
    np.testing.assert_allclose(at[0, 0], [0.1, -0.1])


def test_an_episode_is_over_closer_than_a_hundredth_to_the_goal():
    environments = points([0.05, 0.0], num_episodes=3)
    environments.reset()
    actions = np.float32([[[0.041, 0.0], [0.039, 0.0], [0.045, 0.0089]]])
    _, _, over = environments.step(actions)
    np.testing.assert_array_equal(over[0], [True, False, False])


def test_each_episode_goes_its_own_way_and_a_reset_begins_anew():
    environments = points([0.3, 0.3], [-0.3, 0.1])
    environments.reset()
    actions = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 2, 2)).astype(np.float32)
    first = environments.step(actions)
    environments.step(actions)
    environments.reset()
    for again, before in zip(environments.step(actions), first, strict=True):
        np.testing.assert_array_equal(again, before)


def test_a_task_does_not_depend_on_which_others_are_drawn_with_it(family):
    draw = Draw(3, "train", 5)
    whole, tail = family.sample(draw, 0, 6, 20, 20), family.sample(draw, 4, 6, 20, 20)
    for name, values in tail.items():
        np.testing.assert_array_equal(values, whole[name][4:])
    assert len(np.unique(whole["rollouts"])) == 6


def test_goals_fill_their_square(family):
    goals = family.sample(Draw(0, "train", 0), 0, 4000, 20, 20)["goal"]
    assert (np.abs(goals) <= 0.5).all()
    np.testing.assert_allclose(goals.min(0), -0.5, atol=0.01)
    np.testing.assert_allclose(goals.max(0), 0.5, atol=0.01)


@pytest.mark.parametrize("other", [Draw(1, "train", 0), Draw(0, "test", 0), Draw(0, "train", 1)])
def test_seed_split_and_step_each_give_other_goals_and_other_episodes(family, other):
    first, second = (family.sample(d, 0, 4, 20, 20) for d in (Draw(0, "train", 0), other))
    assert not set(first["rollouts"]) & set(second["rollouts"])
    assert not np.isin(first["goal"], second["goal"]).any()


def test_the_oracle_walks_straight_to_the_goal(family):
    specs = {"goal": np.array([[0.25, 0.0], [0.0, 0.0]])}
    np.testing.assert_allclose(family.oracle(specs), [-0.15 - 0.05, 0.0], atol=1e-6)


def test_low_must_be_below_high():
    with pytest.raises(ValueError, match="low must be below high"):
        NavigationTask(goals=(0.5, -0.5))
