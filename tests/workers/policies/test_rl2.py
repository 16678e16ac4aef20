"""RL^2: its loss and gradient against NumPy, and what it refuses."""

import numpy as np
import pytest
import tensorflow as tf
from precision import in_float64
from small_policies import block_of, runner_of, weights_of
from small_trials import STEPS, TRIALS, trajectory_of, trial_settings, unrolled

from workers.algorithms.algorithm import Start
from workers.meta_parameters import make_learned_model, theta_layout
from workers.policies.advantages import advantages
from workers.policies.loss import make_objective
from workers.settings.worker import ActorSettings
from workers.tasks.environments.navigation import NavigationFamily
from workers.wire.protocol import Task

SETTINGS = trial_settings()
CLIP, SMALL = 0.05, 1e-6
RNG = np.random.default_rng(4)


@pytest.fixture(scope="module")
def problem():
    """The trials of three tasks, and weights near those that acted, in float64."""
    runner, weights = runner_of(SETTINGS), weights_of(SETTINGS)
    tasks, _ = runner._gather(weights, runner._constants(weights), block_of(SETTINGS))
    tasks = Task(*(np.asarray(array, np.float64) for array in tasks[:4]), *tasks[4:])
    acted = theta_layout(SETTINGS, runner.train_model).split(weights.theta.astype(np.float64))
    theta = [w.numpy() + 0.03 * RNG.normal(size=w.shape) for w in acted]
    return tasks, theta


def log_prob(outputs, actions):
    mean, log_std = np.split(outputs, 2, axis=-1)
    scaled = (actions - mean) / np.exp(log_std)
    return -(scaled**2 / 2 + log_std + np.log(2 * np.pi) / 2).sum(-1)


def clipped_loss(theta, tasks):
    """PPO's loss of each task in NumPy, summed, with the return that the loss has too."""
    total = 0.0
    for seen, targets in zip(tasks.query_inputs, tasks.query_targets, strict=True):
        acted = trajectory_of(targets)
        now = log_prob(unrolled(theta, seen), acted.actions)
        ratio = np.exp((now - log_prob(acted.outputs, acted.actions)) * acted.mask)
        bounded = np.clip(ratio, 1 - CLIP, 1 + CLIP)
        gain = np.minimum(ratio * acted.advantages, bounded * acted.advantages) - acted.advantages
        total -= acted.rewards.sum(1).mean() + gain.sum() / acted.mask.sum()
        assert (ratio > 1 + CLIP).any()
        assert (ratio < 1 - CLIP).any()
    return total


def computed(theta, tasks):
    """The loss and the gradient of `outer_loss` in float64."""
    family = NavigationFamily(SETTINGS.task)
    with in_float64():
        model = make_learned_model(SETTINGS, family)
        objective = make_objective(SETTINGS, family, model)
        clipped = objective.policy_loss.clipped
        objective = objective.with_outer_loss(
            lambda outputs, targets: clipped(outputs, targets, tf.constant(CLIP, tf.float64))
        )
        theta = [tf.constant(w) for w in theta]
        tensors = Task(*map(tf.constant, tasks))
        with tf.GradientTape() as tape:
            tape.watch(theta)
            start = Start([], [], tf.constant(0))
            loss, _, _ = SETTINGS.algorithm.outer_loss(objective, theta, start, tensors)
        return float(loss), [g.numpy() for g in tape.gradient(loss, theta)]


def test_the_loss_and_its_gradient_are_those_of_numpy(problem):
    tasks, theta = problem
    loss, gradient = computed(theta, tasks)
    np.testing.assert_allclose(loss, clipped_loss(theta, tasks), rtol=1e-9)
    for number, weight in enumerate(theta):
        places = RNG.choice(weight.size, min(6, weight.size), replace=False)
        for place in places:
            ends = []
            for sign in (1, -1):
                moved = [w.copy() for w in theta]
                moved[number].flat[place] += sign * SMALL
                ends.append(clipped_loss(moved, tasks))
            slope = (ends[0] - ends[1]) / (2 * SMALL)
            np.testing.assert_allclose(gradient[number].flat[place], slope, rtol=1e-5, atol=1e-8)
    assert all(np.abs(g).max() > 0 for g in gradient)


def test_an_advantage_looks_over_the_whole_trial():
    """Generalized advantages as Schulman et al. 2016 define them, without their normalization."""
    discount, gae_lambda = 0.9, 0.8
    rewards = RNG.normal(size=(1, TRIALS, STEPS))
    mask = np.ones_like(rewards)
    mask[0, 1, 11:] = 0
    seen = RNG.normal(size=(1, TRIALS, STEPS, 3))
    estimates = advantages(seen, rewards, mask, discount, gae_lambda, "none").numpy()
    expected = np.zeros_like(rewards)
    for trial in range(TRIALS):
        ahead = 0.0
        for step in reversed(range(int(mask[0, trial].sum()))):
            ahead = rewards[0, trial, step] + discount * gae_lambda * ahead
            expected[0, trial, step] = ahead
    on = mask == 1
    expected = np.where(on, (expected - expected[on].mean()) / expected[on].std(), 0)
    np.testing.assert_allclose(estimates, expected, rtol=1e-6, atol=1e-9)


def test_a_first_gradient_is_that_of_a_round_at_the_same_weights():
    runner, weights, block = runner_of(SETTINGS), weights_of(SETTINGS), block_of(SETTINGS)
    first = runner.run(weights, block)
    later = weights._replace(now=weights.theta, argument=np.float32([0.2]))
    again = runner.run(later, block.__class__(**{**vars(block), "round": "ppo"}))
    assert np.linalg.norm(first.gradient) > 0
    np.testing.assert_allclose(again.gradient, first.gradient, rtol=1e-3, atol=1e-4)
    assert float(again.metrics["kl"]) < 1e-6


def test_a_step_up_the_gradient_makes_good_actions_likelier(problem):
    tasks, theta = problem
    loss, gradient = computed(theta, tasks)
    lower, _ = computed([w - 1e-3 * g for w, g in zip(theta, gradient, strict=True)], tasks)
    assert lower < loss


REFUSED = {
    "task.shots = 5 is not for": {"task": {"shots": 5}},
    "task.curvature = 'per_step' is not for": {"task": {"curvature": "per_step"}},
    "keeps no state from step to step": {"model": {"kind": "gaussian_mlp"}},
    "keeps a state over a task's episodes": {"algorithm": {"kind": "maml"}},
}


@pytest.mark.parametrize("why", REFUSED)
def test_settings_that_make_no_sense_are_refused(why):
    table = {
        "task": {"kind": "navigation"},
        "model": {"kind": "gaussian_gru"},
        "algorithm": {"kind": "rl2"},
    }
    ActorSettings.model_validate(table)
    with pytest.raises(ValueError, match=why):
        ActorSettings.model_validate(
            {k: {**v, **REFUSED[why].get(k, {})} for k, v in table.items()}
        )
