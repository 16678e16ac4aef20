"""Batch normalization for each inner step, against an inner loop that is written out."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_families import NoiseFamily, noise_settings
from small_tasks import FRESH, at, task

from workers.algorithms.boil import BoilAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.meta_sgd import MetaSgdAlgorithm
from workers.inner.inner_loop import record_adaptation, stepping
from workers.inner.losses import Objective
from workers.meta_parameters import carry_layout, make_learned_model, theta_layout, unadapted
from workers.models.conv4 import Conv4Model
from workers.models.mlp import MlpModel
from workers.models.registry import make_model
from workers.models.user_model import KerasModel
from workers.wire.tensors import to_vector

WAYS, STEPS, RATE = 3, 2, 0.25
DENSE = {"hidden": (5, 4), "normalization": "batch"}
USERS = str(Path(__file__).parents[3] / "fakes/tasks")
AFFINE = {"inner_lr": RATE, "inner_steps": STEPS, "step_affine": True}
BOTH = {**AFFINE, "step_statistics": True}


def users(**settings):
    return KerasModel(source="user_models:small", folder=USERS, **settings)


#: name -> (settings, shape of an example).
MODELS = {
    "mlp": (MlpModel(**DENSE), (5,)),
    "conv4": (Conv4Model(filters=3), (16, 16, 1)),
    "support": (MlpModel(**DENSE, statistics="support"), (5,)),
    "running": (MlpModel(**DENSE, statistics="running"), (5,)),
    "a user's": (users(), (5,)),
    "a user's, running": (users(statistics="running"), (5,)),
}


def make_problem(algorithm, settings, shape):
    """Make a plain model and one with rows, weights whose rows differ, and a task."""
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(5)
    plain = make_model(settings, shape, WAYS)
    model = algorithm.learned(plain)
    theta = [tf.constant(w + 0.2 * rng.normal(size=w.shape)) for w in model.initial_weights()]
    theta += [tf.constant(rng.uniform(0.1, 0.4, e.shape)) for e in algorithm.extras(model)]

    def examples(number):
        return rng.normal(size=(number, *shape)), np.arange(number, dtype=np.int32) % WAYS

    one = task(examples(6), examples(6))
    statistics = [tf.constant(s + rng.uniform(0, 1, s.shape)) for s in model.initial_statistics()]
    return plain, model, theta, statistics, one


def row_of(arrays, plain_shapes, row):
    """Take a row of what has rows."""
    pairs = zip(arrays, plain_shapes, strict=True)
    return [a if tuple(a.shape) == shape else a[row] for a, shape in pairs]


def losses_by_hand(algorithm, objective, model, theta, statistics, one):
    """Compute the query losses after each inner step, by nothing but the plain model.

    objective: of the plain model.
    """
    plain = objective.model
    weights, adapts = list(theta[: len(plain.names)]), algorithm.adapts(model)
    rates = theta[len(plain.names) :] or [RATE] * len(weights)
    losses: list[tf.Tensor] = []
    # Statistics of the batch hold in training, so those in the state do not matter.
    state = plain.start(row_of(statistics, plain.statistics_shapes, 0), one.seed)
    for step in range(STEPS):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            now = row_of(weights, plain.shapes, step)
            loss, state = objective.inner(now, state, one.support_inputs, one.support_targets)
        gradient = tape.gradient(loss, weights, unconnected_gradients="zero")
        weights = [
            w - r * g if adapted else w
            for w, g, r, adapted in zip(weights, gradient, rates, adapts, strict=True)
        ]
        loss, *_ = objective.outer(row_of(weights, plain.shapes, step), state, one)
        losses.append(loss)
    return losses


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (MamlAlgorithm, "mlp"),
        (BoilAlgorithm, "mlp"),
        (MetaSgdAlgorithm, "mlp"),
        pytest.param(MamlAlgorithm, "conv4", marks=pytest.mark.slow),
        (MamlAlgorithm, "support"),
        (MamlAlgorithm, "running"),
        (MamlAlgorithm, "a user's"),
    ],
)
def test_each_inner_step_and_the_queries_after_it_have_a_row(kind, name):
    """The outer gradient is that of the loop that is written out, for each row apart."""
    settings, shape = MODELS[name]
    several = {"multi_step": True} if name in ("mlp", "running") else {}
    algorithm = kind(**AFFINE, **several)
    plain, model, theta, statistics, one = make_problem(algorithm, settings, shape)
    objective = Objective(model, "cross_entropy", "mean", WAYS, settings.statistics)
    start = FRESH._replace(state=model.start(statistics, one.seed))
    gradient, _, metrics = algorithm.outer_gradient(objective, theta, start, one)
    with tf.GradientTape() as tape:
        tape.watch(theta)
        losses = losses_by_hand(algorithm, objective.of(plain), model, theta, statistics, one)
        loss = tf.add_n(losses) / STEPS if several else losses[-1]
    expected = tape.gradient(loss, theta, unconnected_gradients="zero")
    np.testing.assert_allclose(metrics["loss_after"], losses[-1], rtol=1e-10)
    for ours, theirs in zip(gradient, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    gamma = gradient[model.names.index(next(n for n in model.names if n.endswith("gamma")))]
    assert gamma.shape[0] == STEPS
    assert all(np.abs(row).max() > 1e-4 for row in gamma.numpy())


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", ["running", "a user's, running"])
def test_a_call_updates_the_running_statistics_of_its_inner_step_alone(name):
    settings, shape = MODELS[name]
    algorithm = MamlAlgorithm(**BOTH)
    plain, model, theta, statistics, one = make_problem(algorithm, settings, shape)
    objective = Objective(model, "cross_entropy", "mean", WAYS, "running")
    state = model.start(statistics, one.seed)
    plain_state = plain.start(row_of(statistics, plain.statistics_shapes, 0), one.seed)
    support = one.support_inputs, one.support_targets
    for step in range(STEPS):
        weights = row_of(theta, plain.shapes, step)
        plain_state = with_statistics(plain, plain_state, model.statistics(state), step)
        _, plain_state = plain.apply(weights, plain_state, one.support_inputs)
        before = [s.numpy() for s in model.statistics(state)]
        _, state = objective.inner(theta, state, *support)
        expect_row(plain, before, model.statistics(state), plain.statistics(plain_state), step)
        # Queries after the step see and change its row, and count no step.
        before = [s.numpy() for s in model.statistics(state)]
        _, after = plain.apply(weights, plain_state, one.query_inputs)
        _, _, of_queries = objective.outer(theta, state, one)
        expect_row(plain, before, model.statistics(of_queries), plain.statistics(after), step)
        outputs = objective.predict(theta, state, one)
        expected, _ = plain.apply(weights, plain_state, one.query_inputs, training=False)
        np.testing.assert_allclose(outputs, expected, rtol=1e-10, atol=1e-12)


def with_statistics(plain, state, rows, step):
    """Put row `step` of the statistics into a plain state."""
    values = iter(row_of(rows, plain.statistics_shapes, step))
    floats = [value.dtype.is_floating for value in state]
    return [next(values) if of else value for value, of in zip(state, floats, strict=True)]


def expect_row(plain, before, after, new, step):
    for old, now, row in zip(before, after, new, strict=True):
        np.testing.assert_allclose(now[step], row, rtol=1e-12)
        assert np.abs(now[step] - old[step]).max() > 1e-6
        np.testing.assert_array_equal(np.delete(now, step, 0), np.delete(old, step, 0))


@pytest.mark.usefixtures("float64")
def test_before_any_step_queries_see_the_first_row_and_after_more_steps_the_last():
    settings, shape = MODELS["running"]
    algorithm = MamlAlgorithm(**BOTH)
    plain, model, theta, statistics, one = make_problem(algorithm, settings, shape)
    objective = Objective(model, "cross_entropy", "mean", WAYS, "running")
    start = FRESH._replace(state=model.start(statistics, one.seed))
    initial, plan = algorithm.start_inner_loop(model, theta, start, tf.constant(0.0))

    def observe(inner):
        return {"outputs": objective.predict(inner.theta, inner.state, one)}

    # With a rate of 0 only rows change from step to step.
    records, last = record_adaptation(stepping(objective.inner, one, plan), initial, 4, observe)
    rows = []
    for row in range(STEPS):
        weights = row_of(theta, plain.shapes, row)
        state = plain.start(row_of(statistics, plain.statistics_shapes, row), one.seed)
        rows.append(plain.apply(weights, state, one.query_inputs, training=False)[0])
    np.testing.assert_allclose(records["outputs"][0], rows[0], rtol=1e-10)
    assert np.abs(records["outputs"][1] - records["outputs"][0]).max() > 1e-6  # its statistics
    assert np.abs(records["outputs"][2] - records["outputs"][1]).max() > 1e-3  # another row
    weights, settled = model.settled(last.theta, last.state)
    for ours, theirs in zip(weights, row_of(theta, plain.shapes, STEPS - 1), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    outputs, _ = plain.apply(weights, plain.start(settled, one.seed), one.query_inputs, False)
    np.testing.assert_allclose(outputs, records["outputs"][-1], rtol=1e-10)


def test_rows_begin_as_the_plain_model_does_and_the_inner_loop_leaves_scales_alone():
    algorithm = MamlAlgorithm(**{**BOTH, "inner_steps": 3})
    plain = make_model(MlpModel(**DENSE, statistics="running"), (5,), WAYS)
    model = algorithm.learned(plain)
    assert model.names == plain.names
    assert model.num_parameters == plain.num_parameters + 2 * 2 * (5 + 4)
    for name, ours, theirs, adapts in zip(
        model.names, model.initial_weights(), plain.initial_weights(), model.adapts, strict=True
    ):
        of_normalization = name.endswith(("gamma", "beta"))
        assert adapts != of_normalization
        np.testing.assert_array_equal(ours, [theirs] * 3 if of_normalization else theirs)
    assert model.statistics_shapes == [(3, *shape) for shape in plain.statistics_shapes]
    assert [s.shape for s in model.initial_statistics()] == model.statistics_shapes
    assert model.plain is plain


def test_statistics_alone_leave_the_weights_as_they_are():
    algorithm = MamlAlgorithm(inner_steps=STEPS, step_statistics=True)
    plain = make_model(MlpModel(**DENSE, statistics="running"), (5,), WAYS)
    model = algorithm.learned(plain)
    assert (model.shapes, model.adapts) == (plain.shapes, plain.adapts)
    assert model.statistics_shapes == [(STEPS, *shape) for shape in plain.statistics_shapes]


def test_without_the_settings_there_are_no_rows():
    plain = make_model(MlpModel(**DENSE), (5,), WAYS)
    assert MamlAlgorithm().learned(plain) is plain


def test_a_users_model_without_batch_normalization_is_refused():
    plain = make_model(users_of("dropped"), (5,), WAYS)
    with pytest.raises(ValueError, match=r"has no batch normalization that is trained: unset"):
        MamlAlgorithm(**AFFINE).learned(plain)


def users_of(name):
    return KerasModel(source=f"user_models:{name}", folder=USERS)


def test_what_predicts_before_adaptation_is_the_first_row():
    settings = noise_settings(
        model=MlpModel(**DENSE, statistics="running"), algorithm=MamlAlgorithm(**BOTH)
    )
    family, rng = NoiseFamily(), np.random.default_rng(0)
    model = make_learned_model(settings, family)
    theta = rng.normal(size=model.num_parameters).astype(np.float32)
    carry = rng.uniform(1, 2, carry_layout(settings, model).size).astype(np.float32)
    start = unadapted(settings, family, at(theta, carry))
    plain = model.plain
    expected = row_of(theta_layout(settings, model).split(theta), plain.shapes, 0)
    np.testing.assert_array_equal(start.theta, to_vector(expected))
    rows = row_of(carry_layout(settings, model).split(carry), plain.statistics_shapes, 0)
    np.testing.assert_array_equal(start.statistics, to_vector(rows))
    assert start.theta.size == plain.num_parameters < theta.size
