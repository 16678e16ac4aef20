import numpy as np
import pytest
import tensorflow as tf
from small_tasks import task

from workers.inner.inner_loop import (
    InnerState,
    Plan,
    adapt,
    inner_step,
    record_adaptation,
    stepping,
)
from workers.inner.losses import Objective
from workers.inner.optimizers import Adam, Momentum, Sgd
from workers.models.mlp import MlpModel
from workers.models.registry import make_model

EXAMPLES, WAYS = 6, 3
BATCHES = np.arange(18, dtype=np.int32).reshape(3, EXAMPLES)


@pytest.fixture
def problem(float64):
    """An objective, theta, and a task of three support batches of six examples."""
    rng = np.random.default_rng(3)
    model = make_model(MlpModel(hidden=(7,), activation="tanh"), (4,), WAYS)
    theta = [tf.constant(rng.normal(size=shape)) for shape in model.shapes]
    support = rng.normal(size=(18, 4)), rng.integers(0, WAYS, 18).astype(np.int32)
    query = support[0][:EXAMPLES] + 1, support[1][:EXAMPLES]
    return Objective(model, "cross_entropy", "mean", WAYS), theta, task(support, query, BATCHES)


def inner_state(theta, optimizer, adapts=None):
    chosen = [w for w, adapted in zip(theta, adapts or [True] * len(theta), strict=True) if adapted]
    return InnerState(theta, optimizer.init(chosen), [])


def plan(optimizer, theta, first_order=True):
    return Plan(optimizer, [True] * len(theta), first_order)


def run(objective, theta, one, steps, optimizer, first_order=True):
    inner_states, first_loss = adapt(
        objective.inner,
        inner_state(theta, optimizer),
        one,
        steps,
        plan(optimizer, theta, first_order),
    )
    assert len(inner_states) == steps
    return inner_states[-1], first_loss


def gradient_of(objective, theta, inputs, targets):
    with tf.GradientTape() as tape:
        tape.watch(theta)
        loss, _ = objective.inner(theta, [], inputs, targets)
    return loss, tape.gradient(loss, theta)


def assert_equal(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def by_hand(objective, theta, one, steps, update):
    """Weights after each step, and losses, of a loop written out; update(step, w, g) -> w."""
    losses, weights = [], theta
    for step in range(steps):
        chosen = BATCHES[step % 3]
        examples = tf.gather(one.support_inputs, chosen), tf.gather(one.support_targets, chosen)
        loss, gradient = gradient_of(objective, weights, *examples)
        pairs = zip(weights, gradient, strict=True)
        weights = [update(i, step, w, g) for i, (w, g) in enumerate(pairs)]
        losses.append(loss)
    return weights, losses


def test_steps_after_the_first_may_be_shorter(problem):
    objective, theta, one = problem
    inner_states, _ = adapt(
        objective.inner, inner_state(theta, Sgd(0.5)), one, 3, plan(Sgd(0.5), theta), later_lr=0.25
    )
    expected, _ = by_hand(
        objective, theta, one, 3, lambda i, step, w, g: w - (0.125 if step else 0.5) * g
    )
    assert_equal(inner_states[-1].theta, expected)


def test_adapt_equals_a_hand_written_loop_of_sgd(problem):
    objective, theta, one = problem
    adapted, first_loss = run(objective, theta, one, 5, Sgd(0.5))
    expected, losses = by_hand(objective, theta, one, 5, lambda i, step, w, g: w - 0.5 * g)
    assert_equal(adapted.theta, expected)
    assert first_loss == losses[0]
    assert losses[2] != losses[0]


def test_adapt_equals_a_hand_written_loop_of_momentum(problem):
    objective, theta, one = problem
    velocity = {}

    def update(i, step, w, g):
        velocity[i] = 0.75 * velocity.get(i, 0) + g
        return w - 0.5 * velocity[i]

    adapted, _ = run(objective, theta, one, 5, Momentum(0.5, 0.75))
    assert_equal(adapted.theta, by_hand(objective, theta, one, 5, update)[0])
    assert_equal(adapted.moments, list(velocity.values()))


@pytest.mark.parametrize("steps_before", [0, 40])
def test_adapt_equals_a_hand_written_loop_of_adam(problem, steps_before):
    objective, theta, one = problem
    second = {}

    def update(i, step, w, g):
        second[i] = 0.999 * second.get(i, 0) + 0.001 * g**2
        correction = np.sqrt(1 - 0.999 ** (steps_before + step + 1))
        return w - 0.25 * correction * g / (np.sqrt(second[i]) + 1e-8)

    adapted, _ = run(objective, theta, one, 5, Adam(0.25, steps_before))
    expected, _ = by_hand(objective, theta, one, 5, update)
    for ours, theirs in zip(adapted.theta, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8)
    for ours, theirs in zip(adapted.moments, second.values(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8)


def test_a_rate_for_each_weight_is_used_for_it(problem):
    objective, theta, one = problem
    rates = [0.25 * (1 + i) * tf.ones_like(w) for i, w in enumerate(theta)]
    adapted, _ = run(objective, theta, one, 2, Sgd(rates))
    expected, _ = by_hand(objective, theta, one, 2, lambda i, step, w, g: w - 0.25 * (1 + i) * g)
    assert_equal(adapted.theta, expected)


def test_only_the_weights_that_adapt_change(problem):
    objective, theta, one = problem
    adapts = [False, True, False, True]
    optimizer = Momentum(0.5, 0.5)
    some = Plan(optimizer, adapts)
    (*_, adapted), _ = adapt(objective.inner, inner_state(theta, optimizer, adapts), one, 2, some)
    assert [w is old for w, old in zip(adapted.theta, theta, strict=True)] == [
        not chosen for chosen in adapts
    ]
    assert [m.shape for m in adapted.moments] == [theta[1].shape, theta[3].shape]


def test_adapt_leaves_theta_as_it_was(problem):
    objective, theta, one = problem
    before = [w.numpy().copy() for w in theta]
    run(objective, theta, one, 2, Adam(0.25))
    assert_equal(theta, before)


def test_first_order_makes_the_derivative_of_the_adapted_weights_the_identity(problem):
    objective, theta, one = problem

    def derivative(first_order):
        with tf.GradientTape() as tape:
            tape.watch(theta)
            adapted, _ = run(objective, theta, one, 2, Sgd(0.5), first_order)
            total = tf.add_n([tf.reduce_sum(w) for w in adapted.theta])
        return tape.gradient(total, theta)

    for first, second in zip(derivative(True), derivative(False), strict=True):
        np.testing.assert_array_equal(first, tf.ones_like(first))
        assert np.abs(second - 1).max() > 1e-3


@pytest.mark.parametrize(
    "optimizer", [Sgd(0.25), Momentum(0.25, 0.5), Adam(0.25), Adam(0.25, 7)], ids=repr
)
def test_trajectory_observes_what_repeated_inner_steps_give(problem, optimizer):
    """Five steps over three batches: the loop in the graph cycles as the unrolled one does."""
    objective, theta, one = problem
    how = plan(optimizer, theta)

    def observe(current):
        outputs = objective.predict(current.theta, current.state, one)
        return {"outputs": outputs, **objective.score(outputs, one.query_targets)[1]}

    compiled = tf.function(
        lambda: record_adaptation(
            stepping(objective.inner, one, how), inner_state(theta, optimizer), 5, observe
        )
    )
    records, left = compiled()
    assert records["outputs"].shape == (6, EXAMPLES, WAYS)
    assert records["accuracy"].shape == (6,)

    current = inner_state(theta, optimizer)
    expected = [observe(current)]
    for step in range(5):
        chosen = BATCHES[step % 3]
        examples = tf.gather(one.support_inputs, chosen), tf.gather(one.support_targets, chosen)
        current, _ = inner_step(objective.inner, current, examples, how, step)
        expected.append(observe(current))
    for name, values in records.items():
        np.testing.assert_allclose(values, [seen[name] for seen in expected], rtol=1e-11)
    assert len(set(records["loss"].numpy())) == 6
    for ours, theirs in zip(left.theta, current.theta, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11)


def test_no_inner_steps_observe_theta_alone(problem):
    objective, theta, one = problem
    start, how = inner_state(theta, Sgd(0.5)), plan(Sgd(0.5), theta)
    records, _ = record_adaptation(
        stepping(objective.inner, one, how), start, 0, lambda current: {"bias": current.theta[-1]}
    )
    np.testing.assert_array_equal(records["bias"], theta[-1][None])
