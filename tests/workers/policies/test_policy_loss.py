"""The outer gradient of policies against finite differences of the exact expected return."""

import numpy as np
import pytest
import tensorflow as tf
from enumerated_episodes import REWARDS, adapted, episodes_of, expected_loss
from small_tasks import FRESH, task

from workers.algorithms.maml import MamlAlgorithm
from workers.models.linear import LinearModel
from workers.models.registry import make_model
from workers.policies.distributions import Categorical
from workers.policies.loss import PolicyLoss, PolicyObjective

pytestmark = pytest.mark.usefixtures("float64")

STEP, BOUND = 1e-6, 1e-7


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(3)
    return [rng.normal(size=(3, 2)), rng.normal(size=2)]


def outer_gradient(theta, settings, curvature, baseline=(0.0, 0.0)):
    loss = PolicyLoss(Categorical(2), horizon=2, curvature=curvature)
    model = make_model(LinearModel(), (3,), 2)
    objective = PolicyObjective(model, loss, {"kl": loss.kl})
    rate, steps = settings.inner_lr, settings.inner_steps
    support = [episodes_of(adapted(theta, rate, k), baseline) for k in range(steps)]
    inputs, targets = (np.concatenate(arrays) for arrays in zip(*support, strict=True))
    batches = np.arange(8 * steps, dtype=np.int32).reshape(steps, 8)
    one = task((inputs, targets), episodes_of(adapted(theta, rate, steps), baseline), batches)
    weights = [tf.constant(w) for w in theta]
    gradient, _, _ = settings.outer_gradient(objective, weights, FRESH, one)
    return np.concatenate([g.numpy().ravel() for g in gradient])


def finite_differences(theta, settings):
    flat, slopes = np.concatenate([w.ravel() for w in theta]), []
    for i in range(flat.size):
        ends = []
        for sign in (1, -1):
            moved = flat.copy()
            moved[i] += sign * STEP
            weights = [moved[:6].reshape(3, 2), moved[6:]]
            last = settings.inner_steps
            steps = range(1 if settings.multi_step else last, last + 1)
            losses = [expected_loss(adapted(weights, settings.inner_lr, k)) for k in steps]
            ends.append(float(np.mean(losses)))
        slopes.append((ends[0] - ends[1]) / (2 * STEP))
    return np.array(slopes)


def error(actual, expected):
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("baseline", [(0.0, 0.0), (1.5, -0.7)])
@pytest.mark.parametrize("inner_steps", [1, 2, 3])
def test_the_outer_gradient_equals_finite_differences_of_the_expected_return(
    weights, inner_steps, baseline
):
    """With any baseline, since it does not depend on the action."""
    settings = MamlAlgorithm(inner_lr=0.8, inner_steps=inner_steps)
    gradient = outer_gradient(weights, settings, "dice", baseline)
    assert error(gradient, finite_differences(weights, settings)) < BOUND


@pytest.mark.parametrize("inner_steps", [1, 3])
def test_with_multi_step_it_is_that_of_the_mean_of_the_returns_after_each_step(
    weights, inner_steps
):
    """Intermediate losses are on the episodes that the next step learns from."""
    settings = MamlAlgorithm(inner_lr=0.8, inner_steps=inner_steps, multi_step=True)
    gradient = outer_gradient(weights, settings, "dice", (1.5, -0.7))
    assert error(gradient, finite_differences(weights, settings)) < BOUND


def test_without_what_a_step_owes_to_those_before_it_the_second_order_is_another(weights):
    settings = MamlAlgorithm(inner_lr=0.8)
    expected = finite_differences(weights, settings)
    assert error(outer_gradient(weights, settings, "per_step"), expected) > 1e-3


@pytest.mark.parametrize("curvature", ["dice", "per_step"])
def test_first_order_is_the_gradient_at_the_adapted_weights(weights, curvature):
    settings = MamlAlgorithm(inner_lr=0.8, inner_steps=2, first_order=True)
    theta = adapted(weights, 0.8, 2)
    with tf.GradientTape() as tape:
        tape.watch(theta)
        loss = expected_loss(theta)
    expected = np.concatenate([g.numpy().ravel() for g in tape.gradient(loss, theta)])
    assert error(outer_gradient(weights, settings, curvature), expected) < BOUND
    second = finite_differences(weights, settings)
    assert error(expected, second) > 1e-2  # so the tests above can fail


@pytest.fixture
def loss():
    return PolicyLoss(Categorical(2), horizon=2, curvature="dice")


def test_at_the_weights_that_acted_the_loss_is_minus_the_mean_return(weights, loss):
    _, targets = episodes_of(weights)
    outputs = tf.constant(targets[:, 4:])
    value = loss.mean(outputs, tf.constant(targets))
    np.testing.assert_allclose(value, -REWARDS.sum(1).mean(), atol=1e-12)
    returns = loss.returns(outputs, tf.constant(targets), value)
    np.testing.assert_allclose(returns, REWARDS.sum(1).mean())


def test_the_divergence_is_zero_where_the_policy_acts_as_it_did(weights, loss):
    _, targets = episodes_of(weights)
    outputs, episodes = tf.constant(targets[:, 4:]), tf.constant(targets)
    assert float(loss.kl(outputs, episodes, None)) == 0
    assert float(loss.kl(outputs * 1.1, episodes, None)) > 1e-4


@pytest.mark.parametrize("curvature", ["dice", "per_step"])
def test_what_is_there_once_an_episode_is_over_does_not_count(weights, curvature):
    loss = PolicyLoss(Categorical(2), horizon=2, curvature=curvature)
    _, targets = episodes_of(weights)
    targets = targets.reshape(4, 2, 6)
    targets[1:, 1, 1:4] = 0  # rewards, advantages, taken
    outputs = targets[..., 4:] + 0.3 * np.random.default_rng(0).normal(size=(4, 2, 2))
    other = outputs.copy()
    other[1:, 1] += 5.0

    def at(outputs):
        outputs, episodes = tf.constant(outputs.reshape(8, 2)), tf.constant(targets.reshape(8, 6))
        return float(loss.mean(outputs, episodes)), float(loss.kl(outputs, episodes, None))

    np.testing.assert_allclose(at(other), at(outputs), rtol=1e-12)
