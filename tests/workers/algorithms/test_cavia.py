"""CAVIA against numpy and finite differences; what of the model adapts."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_tasks import FRESH, task

from workers.algorithms.cavia import CaviaAlgorithm
from workers.inner.losses import Objective
from workers.models.conv1d import Conv1dModel
from workers.models.conv4 import Conv4Model
from workers.models.linear import LinearModel
from workers.models.mlp import MlpModel
from workers.models.registry import make_model

WAYS, SIZE, STEPS, RATE = 2, 3, 2, 0.5
MODELS = {
    "linear": (LinearModel(), (4,)),
    "linear, normalized": (LinearModel(normalization="batch"), (4,)),
    "mlp": (MlpModel(hidden=(5, 4)), (4,)),
    "mlp, layer": (MlpModel(hidden=(5,), normalization="layer"), (2, 2)),
    "conv4": (Conv4Model(filters=3), (16, 16, 1)),
    "conv4, running": (Conv4Model(filters=3, statistics="running"), (16, 16, 1)),
    "conv1d": (Conv1dModel(channels=3, blocks=2), (12, 2)),
}


def make_problem(name, loss="cross_entropy"):
    settings, shape = MODELS[name]
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(5)
    model = make_model(settings, shape, WAYS, context_size=SIZE)
    theta = [w + 0.2 * rng.normal(size=w.shape) for w in model.initial_weights()]
    place = model.layers.index("context")
    theta[place] = np.zeros(SIZE)

    def examples():
        inputs = rng.normal(size=(6, *shape))
        if loss == "mse":
            return inputs, rng.normal(size=(6, WAYS))
        return inputs, np.arange(6, dtype=np.int32) % WAYS

    objective = Objective(model, loss, "mean", WAYS, settings.statistics)
    one = task(examples(), examples())
    statistics = [tf.constant(s) for s in model.initial_statistics()]
    start = FRESH._replace(state=model.start(statistics, one.seed))
    return objective, [tf.constant(w) for w in theta], place, start, one


def meta_objective(objective, theta, place, start, one):
    """Compute the query loss after steps of the context alone, from 0."""
    weights, state = list(theta), start.state
    weights[place] = tf.zeros(SIZE, tf.float64)
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            tape.watch(weights[place])
            loss, state = objective.inner(weights, state, one.support_inputs, one.support_targets)
        weights[place] = weights[place] - RATE * tape.gradient(loss, weights[place])
    return objective.outer(weights, state, one)[0].numpy()


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", MODELS)
def test_the_outer_gradient_equals_finite_differences(name):
    objective, theta, place, start, one = make_problem(name)
    algorithm = CaviaAlgorithm(inner_lr=RATE, inner_steps=STEPS, context_size=SIZE)
    gradient, _, metrics = algorithm.outer_gradient(objective, theta, start, one)
    expected = meta_objective(objective, theta, place, start, one)
    np.testing.assert_allclose(metrics["loss_after"], expected, rtol=1e-10)
    np.testing.assert_array_equal(gradient[place], np.zeros(SIZE))
    rng = np.random.default_rng(6)
    for _ in range(2):
        # Half the gradient itself, so that the derivative along it is not near 0.
        along = [g.numpy() + 0.1 * rng.normal(size=g.shape) for g in gradient]
        ahead, behind = (
            meta_objective(
                objective,
                [w + sign * 1e-6 * d for w, d in zip(theta, along, strict=True)],
                place,
                start,
                one,
            )
            for sign in (1, -1)
        )
        actual = sum(np.sum(g * d) for g, d in zip(gradient, along, strict=True))
        np.testing.assert_allclose(actual, (ahead - behind) / 2e-6, rtol=1e-6)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("first_order", [False, True])
def test_in_a_linear_model_it_is_the_known_gradient(first_order):
    """With outputs W x + U c + b, the context c is all that adapts.

    The mean squared error's gradient by c is 2 / WAYS * U' (mean error). After one step from 0 it
    is c = -2 rate / WAYS * U' e, e the mean error of the support set at c = 0.
    """
    objective, theta, _, start, one = make_problem("linear", "mse")
    algorithm = CaviaAlgorithm(inner_lr=RATE, context_size=SIZE, first_order=first_order)
    gradient, *_ = algorithm.outer_gradient(objective, theta, start, one)
    assert objective.model.names == ["context/parameters", "head/kernel", "head/bias"]
    kernel, bias = theta[1].numpy(), theta[2].numpy()
    w, u = kernel[:4], kernel[4:]
    x, y, x_query, y_query = (np.asarray(array) for array in one[:4])
    support_error = (x @ w + bias - y).mean(axis=0)
    factor = 2 / WAYS
    context = -RATE * factor * u @ support_error
    errors = x_query @ w + context @ u + bias - y_query
    error = errors.mean(axis=0)
    by_w = factor * x_query.T @ errors / len(errors)
    by_u = factor * np.outer(context, error)
    by_b = factor * error
    if not first_order:  # what the context owes to the weights
        by_context = factor * u @ error
        of_error = -RATE * factor * by_context @ u
        by_w += np.outer(x.mean(axis=0), of_error)
        by_b += of_error
        by_u += -RATE * factor * np.outer(by_context, support_error)
    np.testing.assert_allclose(gradient[1], np.concatenate([by_w, by_u]), rtol=1e-10)
    np.testing.assert_allclose(gradient[2], by_b, rtol=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_the_context_alone_adapts_and_from_zero(name):
    settings, shape = MODELS[name]
    model = make_model(settings, shape, WAYS, context_size=SIZE)
    algorithm = CaviaAlgorithm(context_size=SIZE)
    adapts = algorithm.adapts(model)
    assert [n for n, of in zip(model.names, adapts, strict=True) if of] == ["context/parameters"]
    theta = [tf.constant(w) + 1 for w in model.initial_weights()]
    initial, plan = algorithm.start_inner_loop(model, theta, FRESH, 1.0)
    assert list(plan.adapts) == adapts
    for before, after, of in zip(theta, initial.theta, adapts, strict=True):
        np.testing.assert_array_equal(after, np.zeros(SIZE) if of else before)
    assert model.is_head[-1]
    assert sum(model.is_head) == 2


@pytest.mark.parametrize("name", ["conv4", "conv1d"])
def test_a_network_of_images_or_signals_is_at_first_what_it_is_without_context(name):
    settings, shape = MODELS[name]
    film = make_model(settings, shape, WAYS, context_size=SIZE)
    plain = make_model(settings, shape, WAYS)
    by_name = dict(zip(film.names, film.initial_weights(), strict=True))
    added = [n for n in film.names if n not in plain.names]
    assert added == ["context/parameters"] + [
        f"film_{what}/{part}" for what in ("scale", "shift") for part in ("kernel", "bias")
    ]
    inputs = tf.constant(np.random.default_rng(0).normal(size=(4, *shape)), tf.float32)
    ours, _ = film.apply([tf.constant(by_name[n]) for n in film.names], [], inputs)
    theirs, _ = plain.apply([tf.constant(by_name[n]) for n in plain.names], [], inputs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    by_name["context/parameters"] = np.ones(SIZE, np.float32)
    other, _ = film.apply([tf.constant(by_name[n]) for n in film.names], [], inputs)
    assert np.abs(other - theirs).max() > 1e-3


def test_without_a_size_the_models_are_the_ones_before():
    for settings, shape in MODELS.values():
        names = make_model(settings, shape, WAYS).names
        assert not [n for n in names if "context" in n or "film" in n]
