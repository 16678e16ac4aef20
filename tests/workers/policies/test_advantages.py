import numpy as np
import pytest
import tensorflow as tf

from workers.policies import advantages as module
from workers.policies.advantages import advantages

RNG = np.random.default_rng(0)
TASKS, EPISODES, HORIZON = 2, 3, 5


@pytest.fixture(scope="module")
def episodes():
    """Observations, rewards, and which steps were taken; some episodes are over early."""
    observations = RNG.normal(size=(TASKS, EPISODES, HORIZON, 2)).astype(np.float32)
    rewards = RNG.normal(size=(TASKS, EPISODES, HORIZON)).astype(np.float32)
    ends = np.array([[5, 2, 4], [1, 5, 3]])
    mask = (np.arange(HORIZON) < ends[..., None]).astype(np.float32)
    return observations, rewards, mask


def normalized(values, mask):
    scaled = np.zeros_like(values)
    for task in range(len(values)):
        counted = values[task][mask[task] == 1]
        scaled[task] = (values[task] - counted.mean()) / counted.std() * mask[task]
    return scaled


def by_hand(episodes, discount, gae_lambda, values):
    """The sums as they are defined, step by step."""
    _, rewards, mask = episodes
    sums = np.zeros(rewards.shape)
    for task, episode in np.ndindex(TASKS, EPISODES):
        last = int(mask[task, episode].sum())
        value = [*values[task, episode, :last], 0.0]
        ahead = 0.0
        for t in reversed(range(last)):
            surprise = rewards[task, episode, t] + discount * value[t + 1] - value[t]
            ahead = surprise + discount * gae_lambda * ahead
            sums[task, episode, t] = ahead
    return normalized(sums, mask)


def fitted(episodes, discount):
    """The linear baseline by NumPy's least squares."""
    observations, rewards, mask = (np.asarray(array, np.float64) for array in episodes)
    values = np.zeros(rewards.shape)
    for task in range(TASKS):
        rows, returns, places = [], [], []
        for episode, t in np.ndindex(EPISODES, HORIZON):
            if not mask[task, episode, t]:
                continue
            observation, time = observations[task, episode, t], t / 100
            rows.append([*observation, *observation**2, time, time**2, time**3, 1])
            later = rewards[task, episode, t:] * mask[task, episode, t:]
            returns.append(np.sum(later * discount ** np.arange(len(later))))
            places.append((task, episode, t))
        rows, returns = np.array(rows), np.array(returns)
        square = rows.T @ rows + 1e-5 * np.eye(rows.shape[1])
        answers = rows @ np.linalg.solve(square, rows.T @ returns)
        for place, value in zip(places, answers, strict=True):
            values[place] = value
    return values


@pytest.mark.parametrize(("discount", "gae_lambda"), [(0.9, 1.0), (0.9, 0.7), (1.0, 0.0)])
def test_without_a_baseline_advantages_are_discounted_sums_of_rewards(
    episodes, discount, gae_lambda
):
    estimates = advantages(*episodes, discount, gae_lambda, "none")
    nothing = np.zeros(episodes[1].shape)
    expected = by_hand(episodes, discount, gae_lambda, nothing)
    np.testing.assert_allclose(estimates, expected, atol=1e-6)


@pytest.mark.parametrize(("discount", "gae_lambda"), [(0.9, 1.0), (0.9, 0.7), (1.0, 0.0)])
def test_the_linear_baseline_is_fitted_to_each_task_alone(episodes, discount, gae_lambda):
    estimates = advantages(*episodes, discount, gae_lambda, "linear")
    expected = by_hand(episodes, discount, gae_lambda, fitted(episodes, discount))
    np.testing.assert_allclose(estimates, expected, atol=1e-5)


def test_a_task_does_not_change_anothers_advantages(episodes):
    together = advantages(*episodes, 0.9, 1.0, "linear")
    alone = advantages(*(array[1:] for array in episodes), 0.9, 1.0, "linear")
    np.testing.assert_allclose(together[1:], alone, atol=1e-12)


def test_they_have_mean_0_and_standard_deviation_1_over_the_steps_taken(episodes):
    estimates = np.asarray(advantages(*episodes, 0.99, 1.0, "linear"))
    for values, mask in zip(estimates, episodes[2], strict=True):
        counted = values[mask == 1]
        np.testing.assert_allclose([counted.mean(), counted.std()], [0, 1], atol=1e-6)
        assert not values[mask == 0].any()


def test_where_nothing_is_rewarded_there_is_no_advantage(episodes):
    observations, rewards, mask = episodes
    estimates = advantages(observations, np.zeros_like(rewards), mask, 0.99, 1.0, "linear")
    assert not np.asarray(estimates).any()


@pytest.mark.parametrize("discount", [0.0, 0.99, 1.0])
@pytest.mark.parametrize("horizon", [1, 4, 5, 8, 11])
def test_sums_of_many_steps_are_those_of_a_loop(monkeypatch, horizon, discount):
    """They are made of parts, so that memory does not grow with the square of the steps."""
    monkeypatch.setattr(module, "_TOGETHER", 4)
    values = np.random.default_rng(3).normal(size=(2, 3, horizon))
    expected, ahead = np.zeros_like(values), np.zeros((2, 3))
    for t in reversed(range(horizon)):
        ahead = values[..., t] + discount * ahead
        expected[..., t] = ahead
    summed = module._summed_ahead(tf.constant(values), discount)
    np.testing.assert_allclose(summed, expected, rtol=1e-12, atol=1e-12)


def test_no_array_of_ten_thousand_steps_is_square():
    """As an RL² trial of 10 episodes of 1000 steps has."""
    shape = 1, 1, 10_000

    def summed(values):
        return module._summed_ahead(values, 0.99)

    graph = tf.function(summed).get_concrete_function(tf.TensorSpec(shape, tf.float64)).graph
    sizes = [out.shape.num_elements() or 0 for op in graph.get_operations() for out in op.outputs]
    assert max(sizes) <= 1024**2


def test_up_to_1024_steps_are_summed_by_one_matrix():
    """So that the bits of runs stay."""
    values = np.random.default_rng(3).normal(size=(1, 2, 1024))
    distance = np.subtract.outer(np.arange(1024.0), np.arange(1024.0))
    powers = tf.pow(tf.constant(0.99, tf.float64), tf.maximum(distance, 0))
    expected = tf.linalg.matmul(values, tf.where(distance >= 0, powers, 0))
    np.testing.assert_array_equal(module._summed_ahead(tf.constant(values), 0.99), expected)
