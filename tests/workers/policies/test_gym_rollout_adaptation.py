"""A categorical and a Gaussian policy adapt in a user's environments."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gymnasium")

from workers.algorithms.maml import MamlAlgorithm
from workers.block import BlockRunner
from workers.meta_parameters import initial
from workers.models.linear import LinearModel
from workers.models.mlp import GaussianMlpModel
from workers.settings.environments.gym_task import GymTask
from workers.settings.environments.varied import Varied
from workers.settings.worker import ActorSettings, RuntimeSettings
from workers.tasks.registry import make_family
from workers.wire.errors import TaskError
from workers.wire.protocol import Block, Draw, Recipe, Weights
from workers.wire.tensors import to_vector

FOLDER = str(Path(__file__).parents[2] / "fakes/tasks")


def problem(name, model, inner_lr=0.5, **varied):
    task = GymTask(
        environment=f"small_gym:{name}",
        folder=FOLDER,
        vary={key: Varied(**value) for key, value in varied.items()},
        shots=20,
        queries=20,
        horizon=5,
    )
    algorithm = MamlAlgorithm(inner_lr=inner_lr)
    quick = RuntimeSettings(xla=False)
    settings = ActorSettings(task=task, model=model, algorithm=algorithm, runtime=quick)
    family = make_family(task)
    start = initial(settings, family)
    weights = Weights(to_vector(start.theta), to_vector(start.carry), 0)
    return BlockRunner(settings, family), weights, family


def block_of(family, kind="train", recipe=None, num_tasks=4):
    specs = family.sample(Draw(0, "train", 0), 0, num_tasks, 0, 0)
    return Block(kind, 0, 0, 0, num_tasks, specs, recipe)


def test_a_categorical_policy_learns_which_action_is_right():
    runner, weights, family = problem(
        "Switch", LinearModel(), inner_lr=5.0, right={"choice": [1.0, 2.0]}
    )
    block = block_of(family, "evaluate", Recipe(5.0, 2))
    returns = runner.run(weights, block).metrics["return"]
    assert (returns[:, 2] > returns[:, 0] + 0.5).all()
    assert np.linalg.norm(runner.run(weights, block_of(family)).gradient) > 0


def test_a_gaussian_policy_trains_on_a_slope():
    runner, weights, family = problem(
        "Slope", GaussianMlpModel(hidden=(4,)), steepness={"uniform": [0.0, 1.0]}
    )
    first = runner.run(weights, block_of(family))
    assert np.linalg.norm(first.gradient) > 0
    runner.episodes.clear()
    again = runner.run(weights, block_of(family))
    np.testing.assert_array_equal(first.gradient, again.gradient)


def test_a_reward_that_is_nan_names_the_task_and_the_step():
    runner, weights, family = problem("Nan", LinearModel())
    with pytest.raises(TaskError, match=r"task 0: ValueError: the reward of step 1 .* is nan"):
        runner.run(weights, block_of(family))


def test_a_gaussian_model_is_refused_where_actions_are_a_few():
    with pytest.raises(ValueError, match=r"takes one of 2 actions; use model\.kind = 'mlp'"):
        problem("Switch", GaussianMlpModel(hidden=(4,)))


def test_a_policy_learns_two_actions_at_once_from_what_is_discrete():
    """Of six combinations one is right in each task, which one step of adaptation finds."""
    runner, weights, family = problem(
        "Pairs", LinearModel(), inner_lr=20.0, right={"choice": [0, 5]}
    )
    block = block_of(family, "evaluate", Recipe(20.0, 2))
    returns = runner.run(weights, block).metrics["return"]
    assert (returns[:, 2] > returns[:, 0] + 0.5).all()


def test_an_adapted_policy_acts_on_what_the_environment_returns():
    from workers.policies.adapted import AdaptedPolicy

    runner, weights, family = problem("Pairs", LinearModel(), right={"choice": [0, 5]})
    specs = family.sample(Draw(0, "train", 0), 0, 1, 0, 0)
    policy = AdaptedPolicy(runner._settings, family, specs, weights, Recipe(0.5, 1))
    environment = family.make(specs, 0)
    observation, _ = environment.reset(seed=0)
    action = policy.act(observation)
    assert environment.action_space.contains(action)
    assert len(policy.play(environment, 5, seed=0)) == 3
    with pytest.raises(ValueError, match="an observation without 'last'"):
        policy.act([1.0, 0.0])
