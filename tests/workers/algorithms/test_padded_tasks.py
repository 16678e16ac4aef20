"""A task with padding has the outer gradient of the examples that there are, and no other bit."""

import numpy as np
import pytest
import tensorflow as tf
from precision import in_float64
from small_tasks import task

from workers.algorithms.algorithm import Start
from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.joint import JointAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.reptile import ReptileAlgorithm
from workers.inner.losses import Objective
from workers.models.conv4 import Conv4Model
from workers.models.mlp import MlpModel
from workers.models.registry import make_model

WAYS, SHAPE = 3, (16, 16, 1)
SUPPORT = np.array([0, -1, 1, 1, 2, -1], np.int32)
QUERY = np.array([0, 0, -1, 1, -1, 2, 2, -1], np.int32)
ALGORITHMS = {
    "maml": MamlAlgorithm(inner_lr=0.2, inner_steps=2),
    "anil": AnilAlgorithm(inner_lr=0.2, inner_steps=2),
    "reptile": ReptileAlgorithm(inner_lr=0.2, inner_steps=2),
    "joint": JointAlgorithm(inner_lr=0.2),
}
NORMALIZATIONS = {
    "none": {"normalization": "none"},
    "batch": {"normalization": "batch"},
    "support": {"normalization": "batch", "statistics": "support"},
    "running": {"normalization": "batch", "statistics": "running"},
    "layer": {"normalization": "layer"},
    "group": {"normalization": "group", "groups": 2},
}


def problem(normalization, padded, dtype=tf.float32, junk=0.0):
    """An objective, theta, a start, and a task; not padded: of the real examples alone."""
    settings = NORMALIZATIONS[normalization]
    model = make_model(Conv4Model(filters=2, readout="mean", **settings), SHAPE, WAYS)
    rng = np.random.default_rng(3)
    theta = [
        tf.constant(w + 0.3 * rng.normal(size=w.shape), dtype) for w in model.initial_weights()
    ]
    sets = []
    for targets in (SUPPORT, QUERY):
        inputs = rng.normal(size=(len(targets), *SHAPE))
        inputs[targets < 0] += junk
        kept = slice(None) if padded else targets >= 0
        sets.append((inputs[kept].astype(dtype.as_numpy_dtype), targets[kept]))
    statistics = settings.get("statistics", "batch")
    objective = Objective(model, "cross_entropy", "mean", WAYS, statistics, padded)
    state = [tf.constant(value, dtype) for value in model.initial_statistics()]
    return objective, theta, Start(state, [], 0), task(*sets)


def outcome(algorithm, objective, theta, start, one):
    """The outer gradient and the statistics that are left, flat, and the metrics."""
    gradient, final, metrics = ALGORITHMS[algorithm].outer_gradient(objective, theta, start, one)
    arrays = [*gradient, *final.state]
    return np.concatenate([np.ravel(array) for array in arrays]), metrics


@pytest.mark.quick("maml-group", "maml-batch")
@pytest.mark.parametrize(
    ("algorithm", "normalization"),
    [("maml", name) for name in NORMALIZATIONS] + [(name, "batch") for name in ALGORITHMS][1:],
)
def test_the_outer_gradient_is_that_of_the_real_examples(algorithm, normalization):
    with in_float64():
        padded, metrics = outcome(algorithm, *problem(normalization, True, tf.float64))
        plain, wanted = outcome(algorithm, *problem(normalization, False, tf.float64))
    assert np.abs(plain).max() > 1e-3
    np.testing.assert_allclose(padded, plain, rtol=1e-8, atol=1e-10)
    assert {name: float(value) for name, value in metrics.items()} == pytest.approx(
        {name: float(value) for name, value in wanted.items()}, rel=1e-8
    )


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_what_stands_in_the_place_of_padding_changes_no_bit(normalization):
    ours, theirs = (
        outcome("maml", *problem(normalization, True, junk=junk))[0] for junk in (0.0, 100.0)
    )
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("normalization", ["none", "batch"])
def test_predictions_of_real_queries_do_not_depend_on_padding(normalization):
    objective, theta, start, one = problem(normalization, True)
    outputs = objective.predict(theta, start.state, one).numpy()[QUERY >= 0]
    plain = problem(normalization, False)
    wanted = plain[0].predict(plain[1], start.state, plain[3]).numpy()
    np.testing.assert_allclose(outputs, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_vectorized_regression_is_that_of_the_real_examples():
    model = make_model(MlpModel(hidden=(5,), normalization="batch"), (2,), 1)
    rng = np.random.default_rng(1)
    theta = [tf.constant(w, tf.float32) for w in model.initial_weights()]
    x, y = (rng.normal(size=(2, 4, 6, n)).astype(np.float32) for n in (2, 1))
    y[:, :, 4:] = np.nan
    algorithm = MamlAlgorithm(inner_lr=0.1)

    def gradients(objective, x, y):
        def one(sets):
            tasks = task((x[0][0], y[0][0]), (x[0][0], y[0][0]))
            own = tasks._replace(
                support_inputs=sets[0],
                support_targets=sets[1],
                query_inputs=sets[2],
                query_targets=sets[3],
            )
            return algorithm.outer_gradient(objective, theta, Start([], [], 0), own)[0]

        sets = tuple(map(tf.constant, (x[0], y[0], x[1], y[1])))
        return tf.function(lambda: tf.vectorized_map(one, sets))()

    padded = gradients(Objective(model, "mse", "mean", 1, padded=True), x, y)
    plain = gradients(Objective(model, "mse", "mean", 1), x[:, :, :4], y[:, :, :4])
    for ours, wanted in zip(padded, plain, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-6)
