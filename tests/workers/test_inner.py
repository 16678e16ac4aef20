import numpy as np
import pytest
import tensorflow as tf

from workers.inner import Adam, Sgd, adapt, inner_step, make_optimizer, trajectory
from workers.losses import Objective
from workers.models.functional import make_model
from workers.settings import MlpModel

EXAMPLES, WAYS = 6, 3


@pytest.fixture
def problem(float64):
    """An objective, theta, and three support batches of six examples."""
    rng = np.random.default_rng(3)
    model = make_model(MlpModel(hidden=(7,), activation="tanh"), (4,), WAYS)
    theta = [tf.constant(rng.normal(size=shape)) for shape in model.shapes]
    batches = (
        tf.constant(rng.normal(size=(3, EXAMPLES, 4))),
        tf.constant(rng.integers(0, WAYS, (3, EXAMPLES)).astype(np.int32)),
    )
    return Objective(model, "cross_entropy", "mean", WAYS), theta, batches


def gradient_of(objective, theta, inputs, targets):
    with tf.GradientTape() as tape:
        tape.watch(theta)
        loss = objective.inner(theta, inputs, targets)
    return loss, tape.gradient(loss, theta)


def assert_equal(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_adapt_equals_a_hand_written_loop_of_sgd(problem):
    objective, theta, batches = problem
    adapted, first_loss = adapt(objective.inner, theta, batches, 3, Sgd(0.5))
    losses, expected = [], theta
    for step in range(3):
        loss, gradient = gradient_of(objective, expected, batches[0][step], batches[1][step])
        expected = [w - 0.5 * g for w, g in zip(expected, gradient, strict=True)]
        losses.append(loss)
    assert_equal(adapted, expected)
    assert first_loss == losses[0]
    assert losses[2] != losses[0]


def test_inner_step_i_uses_batch_i_modulo_their_number(problem):
    objective, theta, batches = problem
    dealt, _ = adapt(objective.inner, theta, batches, 5, Sgd(0.5))
    repeated = tuple(tf.concat([part, part[:2]], axis=0) for part in batches)
    unrolled, _ = adapt(objective.inner, theta, repeated, 5, Sgd(0.5))
    assert_equal(dealt, unrolled)


def test_adapt_leaves_theta_as_it_was(problem):
    objective, theta, batches = problem
    before = [w.numpy().copy() for w in theta]
    adapt(objective.inner, theta, batches, 2, Adam(0.25))
    assert_equal(theta, before)


def test_first_order_makes_the_derivative_of_the_adapted_weights_the_identity(problem):
    objective, theta, batches = problem

    def derivative(first_order):
        with tf.GradientTape() as tape:
            tape.watch(theta)
            adapted, _ = adapt(objective.inner, theta, batches, 2, Sgd(0.5), first_order)
            total = tf.add_n([tf.reduce_sum(w) for w in adapted])
        return tape.gradient(total, theta)

    for first, second in zip(derivative(True), derivative(False), strict=True):
        np.testing.assert_array_equal(first, tf.ones_like(first))
        assert np.abs(second - 1).max() > 1e-3


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_trajectory_observes_what_repeated_inner_steps_give(problem, kind):
    """Five steps over three batches: the loop in the graph cycles as the unrolled one does."""
    objective, theta, batches = problem
    optimizer = make_optimizer(kind, 0.25)
    queries, targets = batches[0][0] + 1, batches[1][0]

    def observe(weights):
        outputs = objective.model.apply(weights, queries)
        return {"outputs": outputs, **objective.score(outputs, targets)[1]}

    compiled = tf.function(
        lambda: trajectory(objective.inner, theta, batches, 5, optimizer, observe)
    )
    records = compiled()
    assert records["outputs"].shape == (6, EXAMPLES, WAYS)
    assert records["accuracy"].shape == (6,)

    current, moments = theta, optimizer.init(theta)
    expected = [observe(current)]
    for step in range(5):
        batch = tuple(part[step % 3] for part in batches)
        current, moments, _ = inner_step(
            objective.inner, current, moments, batch, optimizer, step, first_order=True
        )
        expected.append(observe(current))
    for name, values in records.items():
        np.testing.assert_allclose(values, [seen[name] for seen in expected], rtol=1e-11)
    assert len(set(records["loss"].numpy())) == 6


def test_no_inner_steps_observe_theta_alone(problem):
    objective, theta, batches = problem
    records = trajectory(
        objective.inner, theta, batches, 0, Sgd(0.5), lambda weights: {"bias": weights[-1]}
    )
    np.testing.assert_array_equal(records["bias"], theta[-1][None])
