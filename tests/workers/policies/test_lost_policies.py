"""Policies that diverge, and environments that fail, in training and evaluation."""

import numpy as np
import pytest
from small_policies import (
    block_of,
    held_out_block_of,
    new_runner_of,
    runner_of,
    settings_of,
    weights_of,
)

from workers.algorithms.maml import MamlAlgorithm
from workers.models.linear import LinearModel
from workers.policies import rollout_adaptation
from workers.settings.worker import RuntimeSettings
from workers.wire.errors import NonFiniteError, TaskError
from workers.wire.protocol import Recipe


def test_the_task_whose_environment_fails_is_named():
    settings = settings_of()
    runner, block = runner_of(settings), block_of(settings)
    goals = np.array(block.specs["goal"])
    goals[1] = np.nan
    block = type(block)("train", 2, 0, 0, 3, {**block.specs, "goal": goals})
    with pytest.raises(TaskError, match="step 2, task 1: ValueError: the reward of step 0"):
        runner.run(weights_of(settings), block)


def test_a_task_that_diverges_in_training_is_left_out_or_named(monkeypatch):
    """Its environments are not to blame."""
    algorithm = MamlAlgorithm(inner_lr=1e38, inner_steps=2, first_order=True)
    changes = {"model": LinearModel(), "algorithm": algorithm}
    settings = settings_of(**changes)
    runner, weights, block = runner_of(settings), weights_of(settings), block_of(settings, 1)
    with pytest.raises(NonFiniteError, match=r"task 0: gradient not finite .* lower algorithm"):
        runner.run(weights, block)
    # With the graphs that there are: none of them depends on it.
    lenient = settings_of(**changes, runtime=RuntimeSettings(xla=False, non_finite="skip"))
    monkeypatch.setattr(runner, "_settings", lenient)
    contribution = runner.run(weights, block)
    assert (contribution.num_tasks, contribution.num_skipped) == (0, 1)


def test_a_task_whose_weights_are_lost_counts_as_such_though_its_outputs_are_finite(monkeypatch):
    """A fused product and relu can turn nan weights into finite outputs."""
    algorithm = MamlAlgorithm(inner_lr=0.05, first_order=True)
    settings = settings_of(model=LinearModel(), algorithm=algorithm)

    def all_lost(inner_state):
        return inner_state, np.ones(inner_state.theta[0].shape[0], bool)

    monkeypatch.setattr(rollout_adaptation, "without_lost", all_lost)
    with pytest.raises(NonFiniteError, match="task 0: gradient not finite"):
        new_runner_of(settings).run(weights_of(settings), block_of(settings, 1))


def test_a_rate_that_is_far_too_high_costs_its_returns_alone():
    settings = settings_of()
    runner, weights = runner_of(settings), weights_of(settings)
    block = held_out_block_of(settings, "evaluate", Recipe(1e38, 3))
    returns = runner.run(weights, block).metrics["return"]
    assert np.isfinite(returns[:, 0]).all()
    assert np.isnan(returns[:, -1]).all()
