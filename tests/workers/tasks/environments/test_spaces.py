"""What a policy sees and does in spaces that are no arrays of numbers."""

import numpy as np
import pytest

pytest.importorskip("gymnasium")

from gymnasium import spaces
from small_gym_families import added, breaking, rolled, sampled, task_of

from workers.tasks.environments.gym import GymFamily
from workers.tasks.environments.observations import look_at_observations
from workers.tasks.environments.spaces import look_at_actions

BOX = spaces.Box(-5, 5, (2,))


@pytest.mark.parametrize(
    ("space", "observation", "flat"),
    [
        (spaces.Discrete(3), 1, [0, 1, 0]),
        (spaces.Discrete(3, start=-1), np.int64(-1), [1, 0, 0]),
        (spaces.MultiDiscrete([2, 3]), [1, 0], [0, 1, 1, 0, 0]),
        (spaces.MultiDiscrete([[2], [2]]), [[0], [1]], [1, 0, 0, 1]),
        (spaces.MultiBinary(3), [1, 0, 1], [1, 0, 1]),
        (spaces.Box(-1, 1, ()), np.float32(0.5), [0.5]),
        (spaces.Tuple([BOX, spaces.Discrete(2)]), ([3, 4], 1), [3, 4, 0, 1]),
        (spaces.Dict({"b": BOX, "a": spaces.Discrete(2)}), {"b": [3, 4], "a": 0}, [1, 0, 3, 4]),
        (
            spaces.Dict([("b", BOX), ("a", spaces.Dict({"c": spaces.MultiBinary(1)}))]),
            {"a": {"c": [1]}, "b": [3, 4]},
            [1, 3, 4],
        ),
    ],
)
def test_observations_are_flattened_in_a_fixed_order(space, observation, flat):
    observations = look_at_observations("a:B", space)
    assert observations.shape == (len(flat),)
    array = observations.array(observation)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, flat)


def test_random_observations_are_flattened_as_gymnasium_does():
    """An independent computation, whose Dict has sorted keys too."""
    space = spaces.Dict(
        {
            "z": spaces.MultiDiscrete([3, 2, 4], start=[0, 1, -2], seed=1),
            "a": spaces.Tuple([BOX, spaces.Discrete(5, start=2), spaces.MultiBinary([2, 2])]),
        },
        seed=0,
    )
    observations = look_at_observations("a:B", space)
    for _ in range(20):
        observation = space.sample()
        expected = spaces.flatten(space, observation)
        np.testing.assert_allclose(observations.array(observation), expected, rtol=1e-6)


def test_arrays_of_numbers_stay_as_they_are():
    space = spaces.Box(0, 255, (4, 4, 3), np.uint8)
    observations = look_at_observations("a:B", space)
    image = space.sample()
    assert observations.shape == (4, 4, 3)
    assert observations.array(image) is image


@pytest.mark.parametrize(
    ("space", "observation", "error"),
    [
        (BOX, [1.0], r"an observation of shape \[1\], not \[2\]"),
        (spaces.Discrete(3), 3, r"3 is not in Discrete\(3\)"),
        (spaces.Discrete(3), -1, r"-1 is not in Discrete\(3\)"),
        (spaces.Discrete(3), 0.5, r"0.5 is not in Discrete\(3\)"),
        (spaces.MultiDiscrete([2, 2]), [1], r"\[1\] is not in MultiDiscrete"),
        (spaces.Dict({"a": BOX}), {"b": [1, 2]}, "an observation without 'a' of Dict"),
        (spaces.Dict({"a": BOX}), {"a": [1]}, r"a part of shape \[1\], not \[2\] as in Box"),
        (spaces.Tuple([BOX, BOX]), ([1, 2],), "an observation without 1 of Tuple"),
    ],
)
def test_an_observation_that_is_not_of_its_space_is_told(space, observation, error):
    with pytest.raises(ValueError, match=error):
        look_at_observations("a:B", space).array(observation)


@pytest.mark.parametrize(
    ("space", "description"),
    [
        (spaces.MultiDiscrete([2, 3], start=[1, 0]), "one of 6 (2 x 3)"),
        (spaces.MultiDiscrete([[2], [2]]), "one of 4 (2 x 2)"),
        (spaces.MultiBinary(3), "one of 8 (2 x 2 x 2)"),
        (spaces.MultiBinary([2, 1]), "one of 4 (2 x 2)"),
    ],
)
def test_several_discrete_actions_are_one_of_all_combinations(space, description):
    actions = look_at_actions("a:B", space)
    assert (actions.loss, actions.description) == ("categorical_policy", description)
    every = np.arange(actions.num_outputs, dtype=np.float32)[:, None]
    taken = actions.environment_actions(every)
    assert all(space.contains(action) for action in taken)
    assert len({tuple(np.ravel(action)) for action in taken}) == actions.num_outputs
    assert actions.random(np.random.default_rng(0), (5,)).max() < actions.num_outputs


def test_episodes_run_in_such_spaces():
    family = GymFamily(task_of("small_gym:Pairs", vary={"right": {"choice": [4, 5]}}))
    assert (family.input_shape, family.num_outputs) == ((5,), 6)
    specs = sampled(family)
    start, observed, rewards, _ = rolled(family, specs, [5.0])
    np.testing.assert_array_equal(start[0, 0], [0, 1, 0, 0, 0])
    np.testing.assert_array_equal(rewards[:, 0], specs["varied/right"] == 5)
    np.testing.assert_array_equal(observed[..., 0], rewards)
    np.testing.assert_array_equal(observed[0, 0, 1:], [0, 1, 0, 0])
    np.testing.assert_array_equal(family.environment_action(np.array([4.0])), [2, 1])


def test_an_environment_that_leaves_its_space_is_refused_by_name(monkeypatch):
    environment = added(monkeypatch, breaking(observation_space=spaces.Dict({"a": BOX})))
    with pytest.raises(ValueError, match=r"small_gym:Added': reset returns .* without 'a'"):
        GymFamily(task_of(environment))
