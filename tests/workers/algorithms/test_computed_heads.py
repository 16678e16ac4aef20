"""Algorithms that compute a task's head: outer gradients, padding, and independent queries."""

import numpy as np
import pytest
import tensorflow as tf
from precision import in_float64
from small_tasks import FRESH, task

from workers.algorithms.proto_maml import ProtoMamlAlgorithm
from workers.algorithms.protonet import ProtoNetAlgorithm
from workers.algorithms.ridge import RidgeAlgorithm
from workers.heads.embedding import embedding_of
from workers.heads.objective import HeadObjective
from workers.held_out import observer
from workers.inner.inner_loop import record_adaptation, stepping
from workers.losses.registry import make_loss
from workers.models.conv4 import Conv4Model
from workers.models.mlp import MlpModel
from workers.models.registry import make_model

WAYS, STEP, BOUND = 3, 1e-6, 1e-7
SHAPE = (16, 16, 1)
SUPPORT = np.array([0, -1, 1, 1, 2, -1], np.int32)
QUERY = np.array([0, 0, -1, 1, -1, 2, 2, -1], np.int32)
ALGORITHMS = {
    "protonet": ProtoNetAlgorithm(),
    "proto_maml": ProtoMamlAlgorithm(inner_lr=0.05, inner_steps=2),
    "ridge": RidgeAlgorithm(penalty=0.5, scale=2.0),
    "fixed": RidgeAlgorithm(penalty=0.5, scale=2.0, learn_penalty=False, penalty_of="mean"),
}
SETTINGS = {
    "none": {"normalization": "none"},
    "layer": {"normalization": "layer"},
    "support": {"normalization": "batch", "statistics": "support"},
    "running": {"normalization": "batch", "statistics": "running"},
}
CASES = [
    ("protonet", "none"),
    ("protonet", "support"),
    ("protonet", "running"),
    ("proto_maml", "layer"),
    ("proto_maml", "support"),
    ("ridge", "support"),
    ("ridge", "running"),
    ("fixed", "running"),
]


def problem(
    kind,
    normalization,
    *,
    padded=False,
    skips=False,
    junk=0.0,
    dtype=tf.float64,
    loss="cross_entropy",
):
    """An objective, theta, a start, and a task; not padded: of the real examples alone.

    skips: padding does not go through the model.
    """
    options = SETTINGS[normalization]
    if loss == "mse":
        settings, shape = MlpModel(hidden=(5, 4), **options), (6,)
    else:
        settings, shape = Conv4Model(filters=2, readout="mean", **options), SHAPE
    features = embedding_of(settings, make_model(settings, shape, WAYS))
    rng = np.random.default_rng(3)
    spread = 1.0 if normalization == "none" else 0.3
    theta = [
        tf.constant(w + spread * rng.normal(size=w.shape), dtype)
        for w in features.initial_weights()
    ]
    theta += [tf.constant(e.value + 0.1, dtype) for e in ALGORITHMS[kind].extras(features)]
    sets = []
    for targets in (SUPPORT, QUERY):
        inputs = rng.normal(size=(len(targets), *shape))
        inputs[targets < 0] += junk
        kept = slice(None) if padded else targets >= 0
        if loss == "mse":
            targets = np.where(targets < 0, np.nan, rng.normal(size=len(targets)))[:, None]
            targets = targets.astype(dtype.as_numpy_dtype)
        sets.append((inputs[kept].astype(dtype.as_numpy_dtype), targets[kept]))
    statistics = options.get("statistics", "batch")
    outputs = WAYS if loss == "cross_entropy" else 1
    functions = make_loss(loss).functions(padded)
    objective = HeadObjective(features, functions, outputs, statistics, padded, skips_padding=skips)
    state = [tf.constant(value, dtype) for value in features.initial_statistics()]
    return objective, theta, FRESH._replace(state=state), task(*sets)


def error_of(kind, objective, theta, start, one):
    """The relative error of a directional derivative against central differences."""
    algorithm = ALGORITHMS[kind]
    gradient, _, _ = algorithm.outer_gradient(objective, theta, start, one)
    gradient = [g.numpy() for g in gradient]
    norm = np.sqrt(sum(np.sum(g**2) for g in gradient))
    size, rng = sum(g.size for g in gradient), np.random.default_rng(6)
    direction = [g / norm + rng.normal(size=g.shape) / np.sqrt(size) for g in gradient]
    ahead, behind = (
        float(
            algorithm.outer_loss(
                objective,
                [w + sign * STEP * d for w, d in zip(theta, direction, strict=True)],
                start,
                one,
            )[0]
        )
        for sign in (1, -1)
    )
    expected = (ahead - behind) / (2 * STEP)
    actual = sum(np.sum(g * d) for g, d in zip(gradient, direction, strict=True))
    assert norm > 1e-3
    return abs(actual - expected) / abs(expected)


@pytest.mark.parametrize(("kind", "normalization"), CASES)
def test_the_outer_gradient_equals_finite_differences(kind, normalization):
    with in_float64():
        assert error_of(kind, *problem(kind, normalization)) < BOUND


@pytest.mark.parametrize("normalization", ["none", "running"])
def test_ridges_outer_gradient_of_numbers_equals_finite_differences(normalization):
    with in_float64():
        assert error_of("ridge", *problem("ridge", normalization, loss="mse")) < BOUND


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize(("kind", "normalization"), CASES)
def test_the_outer_gradient_is_that_of_the_real_examples(kind, normalization, skips):
    def outcome(padded):
        gradient, final, metrics = ALGORITHMS[kind].outer_gradient(
            *problem(kind, normalization, padded=padded, skips=skips)
        )
        numbers = {name: float(value) for name, value in metrics.items()}
        return np.concatenate([np.ravel(x) for x in (*gradient, *final.state)]), numbers

    with in_float64():
        ours, metrics = outcome(True)
        wanted, plain = outcome(False)
    np.testing.assert_allclose(ours, wanted, rtol=1e-8, atol=1e-10)
    assert metrics == pytest.approx(plain, rel=1e-8)


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize(("kind", "normalization"), CASES)
def test_what_stands_in_the_place_of_padding_changes_no_bit(kind, normalization, skips):
    options = {"padded": True, "skips": skips, "dtype": tf.float32}
    ours, theirs = (
        ALGORITHMS[kind].outer_gradient(*problem(kind, normalization, junk=junk, **options))[0]
        for junk in (0.0, 100.0)
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def held_out(kind, objective, theta, start, one):
    """Outputs for the queries before and after each step, and all weights after the last."""
    algorithm = ALGORITHMS[kind]

    def record(outputs):
        return {"outputs": outputs}

    if algorithm.closed_form:
        records, state = algorithm.adapt_at_once(objective, theta, start, one, record)
    else:
        initial, plan = algorithm.start_on(objective, theta, start, one, 0.05)
        take = stepping(objective.inner, one, plan)
        records, state = record_adaptation(take, initial, 2, observer(objective, one, record))
    return records["outputs"].numpy(), state


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize(("kind", "normalization"), CASES)
def test_predictions_of_real_queries_are_those_without_padding(kind, normalization, skips):
    options = {"padded": True, "skips": skips, "dtype": tf.float32, "junk": 3.0}
    outputs, _ = held_out(kind, *problem(kind, normalization, **options))
    wanted, _ = held_out(kind, *problem(kind, normalization, dtype=tf.float32, junk=3.0))
    np.testing.assert_allclose(outputs[:, QUERY >= 0], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "normalization"), CASES)
def test_no_query_depends_on_another(kind, normalization):
    objective, theta, start, one = problem(kind, normalization, dtype=tf.float32)
    outputs, _ = held_out(kind, objective, theta, start, one)
    other = tf.concat([one.query_inputs[:2], 5 + one.query_inputs[2:]], axis=0)
    changed, _ = held_out(kind, objective, theta, start, one._replace(query_inputs=other))
    np.testing.assert_array_equal(changed[:, :2], outputs[:, :2])
    assert np.abs(changed[-1, 2:] - outputs[-1, 2:]).max() > 1e-4


@pytest.mark.parametrize(("kind", "normalization"), CASES)
def test_the_weights_that_adaptation_leaves_answer_as_it_did(kind, normalization):
    objective, theta, start, one = problem(kind, normalization, dtype=tf.float32)
    outputs, state = held_out(kind, objective, theta, start, one)
    shapes = objective.shapes_of(sum(int(tf.size(w)) for w in state.theta))
    assert shapes == [tuple(w.shape) for w in state.theta]
    again = objective.predict(state.theta, state.state, one)
    np.testing.assert_allclose(again, outputs[-1], rtol=1e-4, atol=1e-5)


def test_proto_maml_starts_from_prototypes_and_takes_inner_steps_on_all_weights():
    with in_float64():
        objective, theta, start, one = problem("proto_maml", "layer")
        outputs, state = held_out("proto_maml", objective, theta, start, one)
        proto, _ = held_out("protonet", objective, theta, start, one)
        np.testing.assert_allclose(outputs[0], proto[1], rtol=1e-12)

        body, _ = objective.features.apply(theta, [], one.support_inputs)
        means = np.stack([body.numpy()[one.support_targets == way].mean(0) for way in range(WAYS)])
        weights = [*theta, tf.constant(2 * means.T), tf.constant(-(means**2).sum(-1))]
        for _ in range(2):
            with tf.GradientTape() as tape:
                tape.watch(weights)
                loss, _ = objective.inner(weights, [], one.support_inputs, one.support_targets)
            slopes = tape.gradient(loss, weights)
            weights = [w - 0.05 * g for w, g in zip(weights, slopes, strict=True)]
        for actual, expected in zip(state.theta, weights, strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


def test_running_statistics_are_those_of_support_set_and_queries_together():
    objective, theta, start, one = problem("protonet", "running", dtype=tf.float32)
    _, final, _ = ALGORITHMS["protonet"].outer_gradient(objective, theta, start, one)
    inputs = tf.concat([one.support_inputs, one.query_inputs], axis=0)
    _, expected = objective.features.apply(theta, start.state, inputs, training=True)
    for ours, wanted, old in zip(final.state, expected, start.state, strict=True):
        np.testing.assert_array_equal(ours, wanted)
        assert np.abs(ours - old).max() > 1e-4
    _, state = held_out("protonet", objective, theta, final, one)
    for left, kept in zip(state.state, final.state, strict=True):
        np.testing.assert_array_equal(left, kept)


def test_support_statistics_leave_the_queries_out():
    objective, theta, _, one = problem("protonet", "support", dtype=tf.float32)
    embedded = objective.embed(theta, [], one, training=True)
    alone, _ = objective.features.apply(theta, [], one.support_inputs)
    np.testing.assert_allclose(embedded.support, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("penalty_of", ["sum", "mean"])
def test_the_penalty_of_a_mean_grows_with_the_real_examples(learned, penalty_of):
    algorithm = RidgeAlgorithm(penalty=0.5, scale=3.0, learn_penalty=learned, penalty_of=penalty_of)
    targets = np.array([0, 0, 1, 1, 2, 2, -1], np.int32)
    features = np.random.default_rng(0).normal(size=(7, 4))
    with in_float64():
        objective = problem("ridge", "none")[0]
        theta = [tf.constant(extra.value, tf.float64) for extra in algorithm.extras(None)]
        head = algorithm.head(objective, theta, tf.constant(features), tf.constant(targets))
    assert len(theta) == 2 + learned
    real, number = features[:6], 6 if penalty_of == "mean" else 1
    gram = real.T @ real + 0.5 * number * np.eye(4)
    expected = 3 * np.linalg.solve(gram, real.T @ np.eye(WAYS)[targets[:6]])
    np.testing.assert_allclose(head.kernel, expected, rtol=1e-10)
