import numpy as np
import pytest
import tensorflow as tf

from workers.policies.distributions import Categorical, Gaussian

RNG = np.random.default_rng(0)


def density(x, mean, std):
    return np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))


def test_a_gaussians_log_probability_is_that_of_independent_numbers():
    outputs = tf.constant([[0.5, -1.0, np.log(0.2), np.log(2.0)]], tf.float64)
    actions = tf.constant([[0.7, 1.0]], tf.float64)
    expected = np.log(density(0.7, 0.5, 0.2) * density(1.0, -1.0, 2.0))
    np.testing.assert_allclose(Gaussian(4).log_prob(outputs, actions), [expected])


def test_a_gaussians_divergence_is_the_integral():
    old, new = [0.5, np.log(0.3)], [0.2, np.log(0.5)]
    x = np.linspace(-6, 6, 200_001)
    p, q = density(x, 0.5, 0.3), density(x, 0.2, 0.5)
    positive = (p > 0) & (q > 0)
    expected = np.sum(p[positive] * np.log(p[positive] / q[positive])) * (x[1] - x[0])
    outputs = [tf.constant([numbers], tf.float64) for numbers in (old, new)]
    np.testing.assert_allclose(Gaussian(2).kl(*outputs), [expected], rtol=1e-6)


def test_a_gaussian_acts_by_its_mean_and_standard_deviation():
    gaussian = Gaussian(4)
    noise = gaussian.noise(np.random.default_rng(0), (40_000,))
    outputs = np.tile(np.float32([0.5, -1.0, np.log(0.2), np.log(2.0)]), (40_000, 1))
    actions = gaussian.act(tf.constant(outputs), tf.constant(noise)).numpy()
    np.testing.assert_allclose(actions.mean(0), [0.5, -1.0], atol=0.03)
    np.testing.assert_allclose(actions.std(0), [0.2, 2.0], rtol=0.02)


def test_a_categorical_acts_as_often_as_its_logits_say():
    categorical, probabilities = Categorical(3), np.array([0.2, 0.5, 0.3])
    noise = categorical.noise(np.random.default_rng(0), (40_000,))
    outputs = np.tile(np.log(probabilities).astype(np.float32), (40_000, 1))
    actions = categorical.act(tf.constant(outputs), tf.constant(noise)).numpy()
    assert actions.shape == (40_000, 1)
    counts = np.bincount(actions[:, 0].astype(int), minlength=3) / 40_000
    np.testing.assert_allclose(counts, probabilities, atol=0.01)


def test_a_categoricals_log_probability_and_divergence_are_those_of_its_softmax():
    categorical = Categorical(3)
    logits = RNG.normal(size=(2, 5, 3))
    p, q = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    log_prob = categorical.log_prob(tf.constant(logits[0]), tf.constant([[2.0]] * 5, tf.float64))
    np.testing.assert_allclose(log_prob, np.log(p[:, 2]))
    expected = (p * np.log(p / q)).sum(-1)
    np.testing.assert_allclose(categorical.kl(*map(tf.constant, logits)), expected)


@pytest.mark.parametrize("distribution", [Gaussian(4), Categorical(3)])
def test_noise_is_a_function_of_the_generator(distribution):
    first, again = (distribution.noise(np.random.default_rng(5), (2, 3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32
    assert first.shape[:2] == (2, 3)


def test_a_recurrent_policy_knows_a_choice_by_its_place_and_numbers_as_they_are():
    chosen = Categorical(3).features(np.float32([[[2.0]], [[0.0]]]))
    np.testing.assert_array_equal(chosen, [[[0, 0, 1]], [[1, 0, 0]]])
    assert chosen.shape[-1] == Categorical(3).num_features
    numbers = np.float32([[0.3, -2.0]])
    np.testing.assert_array_equal(Gaussian(4).features(numbers), numbers)
    assert Gaussian(4).num_features == 2
