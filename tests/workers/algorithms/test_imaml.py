"""iMAML against exact implicit gradients in numpy, and finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_tasks import FRESH, task

from workers.algorithms.imaml import ImamlAlgorithm
from workers.inner.conjugate_gradients import conjugate_gradients
from workers.inner.losses import Objective
from workers.models.mlp import MlpModel
from workers.models.registry import make_model

RNG = np.random.default_rng(0)
SIZE = 7
SHAPES = [(2, 2), (3,)]


def positive(rng=RNG):
    """Make a symmetric matrix with eigenvalues from 0.3 to 3."""
    basis, _ = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))
    return basis * np.linspace(0.3, 3, SIZE) @ basis.T


A, QUERY = positive(), positive()
B, C, THETA = RNG.normal(size=(3, SIZE))
NOTHING = (np.zeros((1, 1)), np.zeros(1, np.int32))


class Quadratics:
    """Support loss 1/2 w A w - B w, query loss 1/2 w QUERY w - C w."""

    inner_scale = 1.0
    names = layers = ("body", "head")
    is_head = (False, True)

    def __init__(self, adapts=(True, True)):
        self.model, self.adapts = self, adapts

    def inner(self, theta, state, inputs, targets):
        return quadratic(theta, A, B), state

    def outer(self, theta, state, one):
        loss = quadratic(theta, QUERY, C)
        return loss, {"loss": loss}, state


def quadratic(theta, matrix, vector):
    w = tf.concat([tf.reshape(part, [-1]) for part in theta], 0)
    product = tf.linalg.matvec(tf.constant(matrix), w)
    return tf.reduce_sum(w * product) / 2 - tf.reduce_sum(w * vector)


def split(flat):
    return [tf.constant(flat[:4].reshape(2, 2)), tf.constant(flat[4:])]


def flatten(arrays):
    assert [tuple(array.shape) for array in arrays] == SHAPES
    return np.concatenate([np.ravel(array) for array in arrays])


def gradient_of(algorithm, adapts=(True, True)):
    @tf.function(autograph=False)
    def graph(theta, one):
        return algorithm.outer_gradient(Quadratics(adapts), theta, FRESH, one)

    gradient, final, metrics = graph(split(THETA), task(NOTHING, NOTHING))
    return flatten(gradient), final, metrics


def cg_by_numpy(matrix, target, steps):
    x, r = np.zeros_like(target), target.copy()
    p = r.copy()
    for _ in range(steps):
        length = r @ r / (p @ matrix @ p)
        x, before = x + length * p, r @ r
        r = r - length * (matrix @ p)
        p = r + r @ r / before * p
    return x


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_at_the_minimum_it_is_the_exact_implicit_gradient(strength):
    """The minimum is (A + lambda)^-1 (B + lambda theta): its derivative is lambda (A + lambda)^-1.

    100 inner steps and as many steps of conjugate gradients as there are weights are enough.
    """
    algorithm = ImamlAlgorithm(inner_lr=0.3, inner_steps=100, proximal=strength, cg_steps=SIZE)
    gradient, _, metrics = gradient_of(algorithm)
    inverse = np.linalg.inv(A + strength * np.eye(SIZE))
    minimum = inverse @ (B + strength * THETA)
    expected = strength * inverse @ (QUERY @ minimum - C)
    np.testing.assert_allclose(gradient, expected, rtol=1e-8)
    before, after = (
        0.5 * w @ matrix @ w - vector @ w
        for w, matrix, vector in ((THETA, A, B), (minimum, QUERY, C))
    )
    np.testing.assert_allclose(metrics["loss_before"], before, rtol=1e-12)
    np.testing.assert_allclose(metrics["loss_after"], after, rtol=1e-10)
    assert metrics.keys() == {"loss_before", "loss_after"}


@pytest.mark.parametrize("damping", [0.0, 1.5])
@pytest.mark.parametrize("cg_steps", [1, 3])
@pytest.mark.parametrize("inner_steps", [1, 4])
def test_with_few_steps_it_equals_numpys(inner_steps, cg_steps, damping):
    algorithm = ImamlAlgorithm(
        inner_lr=0.25, inner_steps=inner_steps, cg_steps=cg_steps, cg_damping=damping
    )
    w = THETA.copy()
    for _ in range(inner_steps):
        w = w - 0.25 * (A @ w - B + (w - THETA))
    matrix = np.eye(SIZE) + A / (1 + damping)
    expected = cg_by_numpy(matrix, QUERY @ w - C, cg_steps)
    np.testing.assert_allclose(gradient_of(algorithm)[0], expected, rtol=1e-10)


def test_momentum_goes_to_the_same_minimum():
    settings = {"inner_lr": 0.1, "inner_steps": 100, "cg_steps": SIZE}
    plain = ImamlAlgorithm(**{**settings, "inner_lr": 0.3})
    momentum = ImamlAlgorithm(**settings, inner_optimizer="momentum", inner_momentum=0.5)
    np.testing.assert_allclose(gradient_of(momentum)[0], gradient_of(plain)[0], rtol=1e-5)


@pytest.mark.parametrize("adapts", [(False, True), (True, False)])
def test_weights_that_do_not_adapt_have_their_exact_gradient_too(adapts):
    """They move the others' minimum: the gradient is that of the query loss at it, in full."""
    algorithm = ImamlAlgorithm(inner_lr=0.3, inner_steps=100, proximal=0.7, cg_steps=SIZE)
    gradient, *_ = gradient_of(algorithm, adapts)
    mask = np.repeat(adapts, [4, 3])

    def meta_objective(theta):
        inner = A[np.ix_(mask, mask)] + 0.7 * np.eye(mask.sum())
        pull = B[mask] + 0.7 * theta[mask] - A[np.ix_(mask, ~mask)] @ theta[~mask]
        w = theta.copy()
        w[mask] = np.linalg.solve(inner, pull)
        return 0.5 * w @ QUERY @ w - C @ w

    for i, direction in enumerate(1e-5 * np.eye(SIZE)):
        expected = (meta_objective(THETA + direction) - meta_objective(THETA - direction)) / 2e-5
        np.testing.assert_allclose(gradient[i], expected, rtol=1e-6, atol=1e-9)


@pytest.mark.usefixtures("float64")
def test_through_a_network_it_equals_finite_differences_of_the_minimum():
    """A strong pull makes the inner problem convex: 100 steps end at its minimum."""
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(5)
    model = make_model(MlpModel(hidden=(4,), activation="tanh"), (3,), 2)
    theta = [tf.constant(w + 0.3 * rng.normal(size=w.shape)) for w in model.initial_weights()]

    def examples():
        return rng.normal(size=(6, 3)), np.arange(6, dtype=np.int32) % 2

    one, objective = task(examples(), examples()), Objective(model, "cross_entropy", "mean", 2)
    number = sum(int(tf.size(w)) for w in theta)
    algorithm = ImamlAlgorithm(inner_lr=0.3, inner_steps=100, proximal=2.0, cg_steps=number)

    @tf.function(autograph=False)
    def outer_gradient(theta):
        gradient, _, metrics = algorithm.outer_gradient(objective, theta, FRESH, one)
        return gradient, metrics["loss_after"]

    gradient, _ = outer_gradient(theta)
    directions = [[rng.normal(size=w.shape) for w in theta] for _ in range(3)]
    for direction in directions:
        ahead, behind = (
            outer_gradient([w + sign * 1e-6 * d for w, d in zip(theta, direction, strict=True)])[1]
            for sign in (1, -1)
        )
        actual = sum(np.sum(g * d) for g, d in zip(gradient, direction, strict=True))
        np.testing.assert_allclose(actual, (ahead - behind) / 2e-6, rtol=1e-6)


def num_operations(inner_steps):
    model = make_model(MlpModel(hidden=(4,)), (3,), 2)
    algorithm = ImamlAlgorithm(inner_steps=inner_steps)
    objective = Objective(model, "cross_entropy", "mean", 2)

    @tf.function(autograph=False)
    def graph(theta, one):
        return algorithm.outer_gradient(objective, theta, FRESH, one)[0]

    inputs, targets = np.zeros((4, 3), np.float32), np.zeros(4, np.int32)
    theta = [tf.constant(w) for w in model.initial_weights()]
    one = task((inputs, targets), (inputs, targets))
    definition = graph.get_concrete_function(theta, one).graph.as_graph_def()
    functions = definition.library.function
    nodes = [*definition.node, *(node for function in functions for node in function.node_def)]
    return len(nodes), {node.op for node in nodes}


def test_neither_graph_nor_memory_grow_with_the_inner_steps():
    """Where a loop stores what each step begins with, it does so in a list or in stacked rows."""
    few, operations = num_operations(2)
    many, _ = num_operations(100)
    assert many == few
    assert not {name for name in operations if "List" in name or "Scatter" in name}


def solve(matrix, target, steps):
    @tf.function(autograph=False)
    def graph(target):
        return conjugate_gradients(
            lambda vector: [tf.linalg.matvec(tf.constant(matrix), vector[0])], [target], steps
        )

    return graph(tf.constant(target))[0].numpy()


def test_more_conjugate_steps_than_are_needed_stay_at_the_solution():
    np.testing.assert_allclose(solve(A, B, 50), np.linalg.solve(A, B), rtol=1e-9)
    np.testing.assert_array_equal(solve(A, 0 * B, 5), 0 * B)


def test_a_direction_of_negative_curvature_is_not_followed():
    solution = solve(np.diag([1.0, -2.0]), np.array([0.0, 1.0]), 5)
    np.testing.assert_array_equal(solution, [0, 0])
    solution = solve(np.diag([1.0, -2.0]), np.array([3.0, 0.0]), 5)
    np.testing.assert_allclose(solution, [3, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_so(bad):
    assert not np.isfinite(solve(np.eye(2), np.array([1.0, bad]), 3)).all()
    assert not np.isfinite(solve(np.diag([1.0, bad]), np.array([1.0, 1.0]), 3)).all()
