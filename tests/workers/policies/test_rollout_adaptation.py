"""Adaptation by rollouts and inner steps in turn."""

import numpy as np
import pytest
import tensorflow as tf
from small_policies import (
    TASK,
    arrays,
    block_of,
    held_out_block_of,
    new_runner_of,
    runner_of,
    settings_of,
    weights_of,
)

from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.boil import BoilAlgorithm
from workers.algorithms.cavia import CaviaAlgorithm
from workers.algorithms.joint import JointAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.meta_sgd import MetaSgdAlgorithm
from workers.algorithms.reptile import ReptileAlgorithm
from workers.inner.inner_loop import InnerState, Plan, inner_step
from workers.inner.optimizers import Sgd
from workers.meta_parameters import theta_layout
from workers.models.linear import LinearModel
from workers.policies import rollout_adaptation
from workers.policies.distributions import Gaussian
from workers.policies.loss import make_objective
from workers.policies.trajectory import from_targets
from workers.settings.worker import RuntimeSettings
from workers.tasks.environments.navigation import NavigationFamily
from workers.wire.protocol import Recipe

EXAMPLES = TASK.shots * TASK.horizon


@pytest.fixture(scope="module")
def two_steps():
    """A run with two inner steps, and a block of its tasks as they were gathered."""
    settings = settings_of(algorithm=MamlAlgorithm(inner_lr=0.05, inner_steps=2, later_lr=0.25))
    runner, weights = runner_of(settings), weights_of(settings)
    tasks, _ = runner._gather(weights, runner._constants(weights), block_of(settings))
    return settings, runner, weights, tasks


def inner_states_of(settings, runner, weights, tasks, number):
    """The first task's weights before and after each inner step, from its support episodes."""
    objective = make_objective(settings, NavigationFamily(settings.task), runner.train_model)
    theta = theta_layout(settings, runner.train_model).split(tf.constant(weights.theta))
    inner_state = InnerState(theta, [], [])
    algorithm, inner_states = settings.algorithm, [inner_state]
    for step in range(number):
        rate = algorithm.inner_lr * (algorithm.later_lr if step else 1)
        plan = Plan(Sgd(rate), [True] * len(theta))
        rows = slice(step * EXAMPLES, (step + 1) * EXAMPLES)
        examples = tasks.support_inputs[0, rows], tasks.support_targets[0, rows]
        inner_state, _ = inner_step(objective.inner, inner_state, examples, plan, step)
        inner_states.append(inner_state)
    return inner_states


def outputs_of(runner, inner_state, inputs):
    return runner.train_model.apply(inner_state.theta, [], inputs)[0].numpy()


def acted(targets):
    """Return the policy's outputs, and the mask of steps."""
    trajectory = from_targets(targets, Gaussian(4), TASK.horizon)
    return np.reshape(trajectory.outputs, (-1, 4)), np.reshape(trajectory.mask, -1) == 1


def test_the_episodes_of_the_meta_loss_are_made_after_adaptation(two_steps):
    """Each inner step learns from the policy that it adapts; the queries are of the last policy."""
    _, runner, _, tasks = two_steps
    inner_states = inner_states_of(*two_steps, 2)
    episodes = [
        (tasks.support_inputs[0, :EXAMPLES], tasks.support_targets[0, :EXAMPLES]),
        (tasks.support_inputs[0, EXAMPLES:], tasks.support_targets[0, EXAMPLES:]),
        (tasks.query_inputs[0], tasks.query_targets[0]),
    ]
    for step, (inputs, targets) in enumerate(episodes):
        acted_outputs, mask = acted(targets)
        for other, inner_state in enumerate(inner_states):
            outputs = outputs_of(runner, inner_state, inputs)
            error = np.abs(outputs - acted_outputs)[mask].max()
            assert (error < 1e-5) == (other == step), (step, other, error)


def test_the_meta_loss_is_at_the_weights_that_made_its_episodes(two_steps):
    """Elsewhere its value would not be minus the mean return."""
    settings, runner, weights, _ = two_steps
    metrics = runner.run(weights, block_of(settings)).metrics
    np.testing.assert_allclose(metrics["loss_after"], -metrics["return"], rtol=1e-5)


def test_losses_on_the_way_are_of_the_episodes_that_the_next_step_learns_from():
    algorithm = MamlAlgorithm(inner_lr=0.05, inner_steps=2, multi_step=True)
    settings = settings_of(algorithm=algorithm)
    runner, weights, block = runner_of(settings), weights_of(settings), block_of(settings)
    tasks, _ = runner._gather(weights, runner._constants(weights), block)
    shape = len(tasks.support_targets), -1, TASK.horizon
    rewards = summed_returns(tasks.support_targets[:, EXAMPLES:], shape)
    after = summed_returns(tasks.query_targets, shape)
    metrics = runner.run(weights, block).metrics
    np.testing.assert_allclose(metrics["loss_of_steps"], -(rewards + after) / 2, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss_after"], -after, rtol=1e-5)


def summed_returns(targets, shape):
    """The mean return of each task's episodes, summed over tasks."""
    return targets.numpy()[..., 2].reshape(shape).sum(-1).mean(-1).sum()


def test_each_inner_step_has_its_own_episodes_as_a_batch(two_steps):
    *_, tasks = two_steps
    expected = np.arange(2 * EXAMPLES).reshape(2, EXAMPLES)
    for batches in tasks.batches.numpy():
        np.testing.assert_array_equal(batches, expected)


def test_episodes_are_a_function_of_the_seed_the_step_and_the_task(two_steps):
    settings, runner, weights, tasks = two_steps

    def gathered(step=2, theta=weights):
        return runner._gather(theta, runner._constants(theta), block_of(settings, step=step))[0]

    again, other = arrays(gathered()), arrays(gathered(step=3))
    for first, second in zip(arrays(tasks), again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(other[1], again[1])
    moved = arrays(gathered(theta=weights._replace(theta=weights.theta * 1.1)))
    assert not np.array_equal(moved[1], again[1])


def test_the_inner_rate_changes_only_what_comes_after_adaptation(two_steps):
    _, _, weights, tasks = two_steps
    settings = settings_of(algorithm=MamlAlgorithm(inner_lr=0.02, inner_steps=2))
    runner = runner_of(settings)
    other, _ = runner._gather(weights, runner._constants(weights), block_of(settings))
    same = slice(0, EXAMPLES)
    np.testing.assert_array_equal(other.support_targets[:, same], tasks.support_targets[:, same])
    assert not np.array_equal(other.support_targets, tasks.support_targets)
    assert not np.array_equal(other.query_targets, tasks.query_targets)


ALGORITHMS = {
    "maml": MamlAlgorithm(inner_lr=0.05),
    "momentum": MamlAlgorithm(inner_lr=0.05, inner_steps=2, inner_optimizer="momentum"),
    "fomaml": MamlAlgorithm(inner_lr=0.05, first_order=True),
    "anil": AnilAlgorithm(inner_lr=0.05),
    "boil": BoilAlgorithm(inner_lr=0.05),
    "meta-sgd": MetaSgdAlgorithm(inner_lr=0.05),
    "layer rates": MamlAlgorithm(inner_lr=0.05, inner_steps=2, layer_rates=True),
    "cavia": CaviaAlgorithm(inner_lr=0.5),
    "reptile": ReptileAlgorithm(inner_lr=0.05, inner_steps=2),
    "joint": JointAlgorithm(),
}


SLOW = {"momentum", "fomaml", "boil", "layer rates", "cavia"}


@pytest.mark.quick("joint", "maml")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in ALGORITHMS],
)
def test_every_algorithm_trains_a_policy_and_adapts_it(name):
    settings = settings_of(algorithm=ALGORITHMS[name])
    runner, weights = runner_of(settings), weights_of(settings)
    contribution = runner.run(weights, block_of(settings))
    assert np.isfinite(contribution.gradient).all()
    assert np.linalg.norm(contribution.gradient) > 0
    np.testing.assert_allclose(
        contribution.metrics["return"], -contribution.metrics["loss_after"], rtol=1e-5
    )
    scored = runner.run(weights, held_out_block_of(settings, "evaluate", Recipe(0.05, 2)))
    returns = scored.metrics["return"]
    assert returns.shape == (3, 3)
    assert not np.equal(returns[:, 0], returns[:, 1]).any()


@pytest.mark.slow
def test_tasks_one_after_another_are_those_side_by_side():
    side_by_side = settings_of()
    one_by_one = settings_of(runtime=RuntimeSettings(execution="map", xla=False))
    weights, block = weights_of(side_by_side), block_of(side_by_side)
    ours, theirs = (runner_of(s).run(weights, block) for s in (side_by_side, one_by_one))
    np.testing.assert_allclose(ours.gradient, theirs.gradient, rtol=1e-3, atol=1e-4)


def test_a_graph_is_traced_once_for_all_steps_and_blocks():
    settings = settings_of(model=LinearModel())
    runner, weights = new_runner_of(settings), weights_of(settings)
    runner.run(weights, block_of(settings))
    number = runner.num_traces
    # To act in so many support episodes and so many queries, to adapt, to differentiate.
    assert number == 4
    for step in (3, 4):
        runner.run(weights._replace(theta=weights.theta * 1.1), block_of(settings, step=step))
    assert runner.num_traces == number


def returns_of(recipe):
    settings = settings_of()
    block = held_out_block_of(settings, "evaluate", recipe)
    return runner_of(settings).run(weights_of(settings), block).metrics["return"]


def test_the_rate_after_the_first_step_is_another():
    whole, half = returns_of(Recipe(0.05, 3)), returns_of(Recipe(0.05, 3, later_lr=0.5))
    np.testing.assert_array_equal(whole[:, :2], half[:, :2])
    assert not np.equal(whole[:, 2:], half[:, 2:]).any()


def test_held_out_tasks_may_have_another_number_of_episodes():
    usual = returns_of(Recipe(0.05, 1))
    fewer = returns_of(Recipe(0.05, 1, queries=2))
    assert not np.equal(usual[:, 0], fewer[:, 0]).any()
    more = returns_of(Recipe(0.05, 1, shots=9))
    np.testing.assert_array_equal(usual[:, 0], more[:, 0])
    assert not np.equal(usual[:, 1], more[:, 1]).any()


def test_no_two_sets_of_a_tasks_episodes_share_their_random_numbers(monkeypatch):
    """Otherwise a policy would be evaluated on the noise that the next inner step learns from."""
    numbers, streams = [], rollout_adaptation.streams

    def noted(specs, number):
        numbers.append(number)
        return streams(specs, number)

    monkeypatch.setattr(rollout_adaptation, "streams", noted)
    returns_of(Recipe(0.05, 2))
    assert len(numbers) == 5  # three to be judged by, two to learn from
    assert len(set(numbers)) == 5


def test_what_was_observed_can_be_had_for_a_picture():
    settings = settings_of()
    block = held_out_block_of(settings, "predict", Recipe(0.05, 2))
    observed = runner_of(settings).run(weights_of(settings), block).metrics["outputs"]
    assert observed.shape == (3, 3, TASK.queries, TASK.horizon, 2)
    np.testing.assert_array_equal(observed[:, :, :, 0], np.zeros_like(observed[:, :, :, 0]))
    assert not np.isnan(observed[:, :, :, 0]).any()


def test_what_a_task_is_adapted_to_is_handed_over_with_each_return():
    settings = settings_of()
    runner, weights = runner_of(settings), weights_of(settings)
    recipe = Recipe(0.05, 2, queries=5)
    adapted = runner.run(weights, held_out_block_of(settings, "adapt", recipe)).metrics
    evaluated = runner.run(weights, held_out_block_of(settings, "evaluate", recipe)).metrics
    assert adapted["return"].shape == (3, 3, 5)
    np.testing.assert_allclose(adapted["return"].mean(-1), evaluated["return"])
    assert adapted["theta"].shape == (3, weights.theta.size)
    assert adapted["statistics"].shape == (3, 0)
    start = runner.run(weights, held_out_block_of(settings, "adapt", Recipe(0.05, 0))).metrics
    np.testing.assert_array_equal(start["theta"], np.tile(weights.theta, (3, 1)))
