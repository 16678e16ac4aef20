"""Trials of recurrent policies: what they see, what they keep, and what they are evaluated by."""

import numpy as np
import pytest
import tensorflow as tf
from small_policies import arrays, block_of, held_out_block_of, new_runner_of, runner_of, weights_of
from small_trials import (
    ACTIONS,
    EPISODES,
    HORIZON,
    REWARDS,
    STEPS,
    TASK,
    TRIALS,
    gaussian_outputs,
    gru_step,
    trajectory_of,
    trial_settings,
    unrolled,
)

from workers.meta_parameters import theta_layout
from workers.policies import trials
from workers.policies.memory import Memory
from workers.settings.worker import RuntimeSettings
from workers.tasks.environments.navigation import NavigationFamily
from workers.wire.protocol import Block, Recipe, take

SETTINGS = trial_settings()
# Tasks side by side have their bits by the size of their block, which is a setting.
RECIPE = Recipe(1.0, EPISODES - 1)
MAP = trial_settings(runtime=RuntimeSettings(execution="map", xla=False))


def gathered(settings, block, weights=None):
    runner = runner_of(settings)
    weights = weights or weights_of(settings)
    return runner._gather(weights, runner._constants(weights), block)[0]


def theta_of(settings):
    layout = theta_layout(settings, runner_of(settings).train_model)
    return [
        array.numpy().astype(float)
        for array in layout.split(tf.constant(weights_of(settings).theta))
    ]


@pytest.fixture(scope="module")
def tasks():
    return gathered(SETTINGS, block_of(SETTINGS))


@pytest.fixture(scope="module")
def trial(tasks):
    """What the policies of the first task saw [trials, steps, 6], and what they did."""
    return tasks.query_inputs[0].numpy(), trajectory_of(tasks.query_targets[0])


def first_steps(seen, mask):
    """For each trial, its steps that begin an episode after the first."""
    return [
        np.flatnonzero((row[:, 5] == 1) & (on == 1)) for row, on in zip(seen, mask, strict=True)
    ]


def test_episodes_of_a_trial_follow_one_another_without_gaps(tasks, trial):
    seen, acted = trial
    lengths = acted.mask.sum(1).astype(int)
    assert len(set(lengths)) > 1
    assert lengths.min() < STEPS
    for row, length in zip(acted.mask, lengths, strict=True):
        np.testing.assert_array_equal(row, np.arange(STEPS) < length)
    for begins in first_steps(seen, acted.mask):
        assert len(begins) == EPISODES - 1
        assert all(begins <= HORIZON * np.arange(1, EPISODES))


def test_a_policy_sees_its_last_action_its_last_reward_and_where_episodes_begin(trial):
    """An observation of navigation is a position: the sum of an episode's actions."""
    seen, acted = trial
    for row, own, actions, rewards, begins in zip(
        seen,
        acted.mask,
        acted.actions,
        acted.rewards,
        first_steps(*[seen, acted.mask]),
        strict=True,
    ):
        last = int(own.sum())
        np.testing.assert_array_equal(row[0], np.zeros(6))
        np.testing.assert_array_equal(row[1:last, 2:4], ACTIONS * actions[: last - 1])
        np.testing.assert_array_equal(row[1:last, 4], REWARDS * rewards[: last - 1])
        position = np.zeros(2)
        for step in range(last):
            if step in begins:
                position = np.zeros(2)
            np.testing.assert_allclose(row[step, :2], position, atol=1e-5)
            position = position + actions[step]


def test_the_state_is_kept_over_the_episodes_of_a_trial(trial):
    seen, acted = trial
    theta, on = theta_of(SETTINGS), acted.mask == 1
    np.testing.assert_allclose(unrolled(theta, seen)[on], acted.outputs[on], rtol=1e-4, atol=1e-6)
    for row, own, begins in zip(seen, acted.outputs, first_steps(seen, acted.mask), strict=True):
        forgetful = gaussian_outputs(theta, gru_step(theta, row[begins], np.zeros((2, 5))))
        assert not np.isclose(forgetful[:, :2], own[begins, :2], rtol=1e-3).any()


def test_the_state_starts_at_zero_in_each_trial_of_each_task(tasks):
    theta = theta_of(SETTINGS)
    expected = gaussian_outputs(theta, gru_step(theta, np.zeros(6), np.zeros(5)))
    for targets in tasks.query_targets:
        first = trajectory_of(targets).outputs[:, 0]
        np.testing.assert_allclose(first, np.tile(expected, (TRIALS, 1)), rtol=1e-5, atol=1e-7)


def test_a_tasks_trials_have_the_same_bits_in_blocks_of_any_size():
    block = block_of(MAP)
    tasks = gathered(MAP, block)
    for lo in range(3):
        alone = Block("train", 2, lo, lo, lo + 1, take(block.specs, lo, lo + 1))
        for whole, own in zip(arrays(tasks), arrays(gathered(MAP, alone)), strict=True):
            np.testing.assert_array_equal(whole[lo : lo + 1], own)


def test_a_block_adds_up_its_tasks_in_their_order():
    runner, weights, block = runner_of(MAP), weights_of(MAP), block_of(MAP)
    total = runner.run(weights, block).gradient
    added = np.zeros_like(total)
    for lo in range(3):
        alone = Block("train", 2, lo, lo, lo + 1, take(block.specs, lo, lo + 1))
        added = added + runner.run(weights, alone).gradient
    np.testing.assert_array_equal(total, added)
    side_by_side = runner_of(SETTINGS).run(weights, block).gradient
    np.testing.assert_allclose(side_by_side, total, rtol=1e-3, atol=1e-4)


def test_held_out_tasks_have_the_same_bits_in_blocks_of_any_size():
    whole, runner, weights = returns_of(settings=MAP), runner_of(MAP), weights_of(MAP)
    block = held_out_block_of(MAP, "evaluate", Recipe(1.0, 2))
    for lo in range(3):
        specs = take(block.specs, lo, lo + 1)
        alone = Block("evaluate", 0, lo, lo, lo + 1, specs, block.recipe)
        np.testing.assert_array_equal(runner.run(weights, alone).metrics["return"][0], whole[lo])


def returns_of(kind="evaluate", recipe=RECIPE, settings=SETTINGS):
    block = held_out_block_of(settings, kind, recipe)
    name = "outputs" if kind == "predict" else "return"
    return runner_of(settings).run(weights_of(settings), block).metrics[name]


def test_a_held_out_task_is_scored_in_each_episode():
    returns = returns_of()
    assert returns.shape == (3, EPISODES)
    by_trial = returns_of("adapt")
    assert by_trial.shape == (3, EPISODES, TRIALS)
    np.testing.assert_allclose(by_trial.mean(-1), returns)
    assert len(np.unique(returns)) == returns.size


def test_more_episodes_leave_the_first_ones_as_they_were():
    few, more = returns_of(), returns_of(recipe=Recipe(1.0, 4))
    assert more.shape == (3, 5)
    np.testing.assert_array_equal(more[:, :3], few)


def test_returns_and_losses_are_those_of_the_first_and_the_last_episodes(tasks):
    returns = tasks.support_targets.numpy().mean(1)
    assert returns.shape == (3, EPISODES)
    metrics = runner_of(SETTINGS).run(weights_of(SETTINGS), block_of(SETTINGS)).metrics
    np.testing.assert_allclose(metrics["loss_before"], -returns[:, 0].sum(), rtol=1e-5)
    np.testing.assert_allclose(metrics["loss_after"], -returns[:, -1].sum(), rtol=1e-5)
    np.testing.assert_allclose(metrics["return"], returns[:, -1].sum(), rtol=1e-5)
    rewards = trajectory_of(tasks.query_targets[0]).rewards.sum()
    np.testing.assert_allclose(tasks.support_targets.numpy()[0].sum(), rewards, rtol=1e-5)


def test_what_was_observed_is_there_for_a_picture():
    seen = returns_of("predict")
    assert seen.shape == (3, EPISODES, TRIALS, HORIZON, 2)
    np.testing.assert_array_equal(seen[:, :, :, 0], np.zeros_like(seen[:, :, :, 0]))
    assert np.isnan(seen).any()


def test_trials_one_after_another_keep_their_memories_apart(monkeypatch):
    """Navigation draws nothing in its environments: its trials are the same either way."""
    at_once = returns_of("adapt")
    monkeypatch.setattr(NavigationFamily, "side_by_side", False)
    runner = new_runner_of(SETTINGS)
    block = held_out_block_of(SETTINGS, "adapt", Recipe(1.0, 2))
    one_by_one = runner.run(weights_of(SETTINGS), block).metrics["return"]
    np.testing.assert_allclose(one_by_one, at_once, rtol=1e-5)


def test_tasks_one_after_another_are_those_side_by_side(tasks):
    one_by_one = gathered(MAP, block_of(MAP))
    for ours, theirs in zip(arrays(tasks), arrays(one_by_one), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_no_two_episodes_of_a_task_share_their_random_numbers(monkeypatch):
    numbers, streams = [], trials.streams

    def noted(specs, number):
        numbers.append(number)
        return streams(specs, number)

    monkeypatch.setattr(trials, "streams", noted)
    returns_of()
    assert len(numbers) == len(set(numbers)) == EPISODES


def test_a_trial_that_waits_for_others_remembers_its_own_last_step():
    memory = Memory(NavigationFamily(TASK), (1, 2), 3)
    memory.think(np.ones((1, 2, 3)))
    actions, rewards = np.float32([[[1, 2], [3, 4]]]), np.float32([[5, 6]])
    memory.take(actions, rewards, np.array([[True, True]]))
    memory.think(np.full((1, 2, 3), 7))
    memory.take(actions + 10, rewards + 10, np.array([[True, False]]))
    np.testing.assert_array_equal(memory.state[0], [[7, 7, 7], [1, 1, 1]])
    seen = memory.inputs(np.zeros((1, 2, 2), np.float32))
    np.testing.assert_array_equal(seen[0], [[0, 0, 11, 12, 15, 0], [0, 0, 3, 4, 6, 0]])
    memory.end_episode()
    np.testing.assert_array_equal(memory.inputs(np.zeros((1, 2, 2), np.float32))[..., 5], [[1, 1]])


def test_a_policy_that_diverges_is_lost_and_no_other_task_with_it():
    weights = weights_of(SETTINGS)
    broken = weights._replace(theta=np.full_like(weights.theta, np.nan))
    tasks = gathered(SETTINGS, block_of(SETTINGS), broken)
    assert tf.reduce_all(tf.math.is_nan(tasks.query_targets))
    block = held_out_block_of(SETTINGS, "evaluate", Recipe(1.0, 2))
    assert np.isnan(runner_of(SETTINGS).run(broken, block).metrics["return"]).all()
