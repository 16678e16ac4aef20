"""The linear softmax model's MAML gradient, derived by hand."""

import numpy as np
import pytest
import tensorflow as tf
from small_tasks import FRESH, task

from workers.algorithms.maml import MamlAlgorithm
from workers.inner.losses import Objective
from workers.models.linear import LinearModel
from workers.models.registry import make_model

WAYS, DIMENSIONS, SUPPORT, QUERIES = 4, 5, 8, 6
ALPHA = 0.75  # exact in float32, which inner_lr passes through on its way to float64


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def closed_form(theta, support, query, scale, first_order=False):
    """MAML's gradient of one inner step, for theta [dimensions + 1, ways] (weights over bias).

    With X [n, dimensions + 1] the inputs and a column of ones, Y one-hot, P = softmax(X theta),
    the mean cross-entropy has the gradient

        G(theta) = 1/n X' (P - Y)

    and, as the derivative of softmax along dZ is P * dZ - P * (P . dZ) row by row, the Hessian
    times a direction V is

        H(theta) V = 1/n X' (P * XV - P * rowsum(P * XV)).

    The inner loss is `scale` times the mean, so theta' = theta - alpha scale G_s(theta), and by
    the chain rule (H is symmetric) the meta-gradient is

        (I - alpha scale H_s(theta)) G_q(theta').
    """

    def gradient(at, x, y):
        return x.T @ (softmax(x @ at) - y) / len(x)

    adapted = theta - ALPHA * scale * gradient(theta, *support)
    outer = gradient(adapted, *query)
    if first_order:
        return outer
    x = support[0]
    p, xv = softmax(x @ theta), x @ outer
    hessian_outer = x.T @ (p * xv - p * np.sum(p * xv, axis=1, keepdims=True)) / len(x)
    return outer - ALPHA * scale * hessian_outer


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize(("inner_loss", "scale"), [("mean", 1), ("sum_over_shots", WAYS)])
def test_maml_on_the_linear_softmax_model_equals_its_closed_form(
    float64, inner_loss, scale, first_order
):
    rng = np.random.default_rng(2)
    weights, bias = rng.normal(size=(DIMENSIONS, WAYS)), rng.normal(size=WAYS)
    x_s, x_q = rng.normal(size=(SUPPORT, DIMENSIONS)), rng.normal(size=(QUERIES, DIMENSIONS))
    y_s, y_q = np.arange(SUPPORT) % WAYS, np.arange(QUERIES) % WAYS

    model = make_model(LinearModel(), (DIMENSIONS,), WAYS)
    assert model.names == ["head/kernel", "head/bias"]
    one = task((x_s, y_s.astype(np.int32)), (x_q, y_q))
    settings = MamlAlgorithm(inner_lr=ALPHA, first_order=first_order, inner_loss=inner_loss)
    gradient, _, _ = settings.outer_gradient(
        Objective(model, "cross_entropy", inner_loss, WAYS),
        [tf.constant(weights), tf.constant(bias)],
        FRESH,
        one,
    )

    def with_ones(x):
        return np.hstack([x, np.ones((len(x), 1))])

    expected = closed_form(
        np.vstack([weights, bias]),
        (with_ones(x_s), np.eye(WAYS)[y_s]),
        (with_ones(x_q), np.eye(WAYS)[y_q]),
        scale,
        first_order,
    )
    np.testing.assert_allclose(gradient[0], expected[:-1], rtol=0, atol=1e-10)
    np.testing.assert_allclose(gradient[1], expected[-1], rtol=0, atol=1e-10)
    assert np.abs(expected).max() > 0.01
