"""The statistics by which batch normalization normalizes queries, and their carry."""

import numpy as np
import pytest
import tensorflow as tf
from small_families import (
    NoiseFamily,
    held_out_block,
    noise_settings,
    sinusoid_settings,
    train_block,
)
from small_tasks import at, task

from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.reptile import ReptileAlgorithm
from workers.block import BlockRunner
from workers.inner.losses import Objective
from workers.meta_parameters import carry_layout, initial
from workers.models.conv4 import Conv4Model
from workers.models.mlp import MlpModel
from workers.models.registry import make_model
from workers.settings.worker import RuntimeSettings
from workers.tasks.sinusoid import SinusoidFamily
from workers.wire.protocol import Recipe
from workers.wire.tensors import to_vector

MAP = RuntimeSettings(execution="map", xla=False)
SHAPE, WAYS = (16, 16, 1), 3


def problem(statistics):
    """A convolutional objective, theta, its state, and a task of 3 + 4 images."""
    model = make_model(Conv4Model(filters=4, statistics=statistics), SHAPE, WAYS)
    rng = np.random.default_rng(0)

    def examples(number):
        inputs = rng.normal(size=(number, *SHAPE)).astype(np.float32)
        return inputs, np.arange(number, dtype=np.int32) % WAYS

    theta = [tf.constant(w) for w in model.initial_weights()]
    state = [tf.constant(value) for value in model.initial_statistics()]
    objective = Objective(model, "cross_entropy", "mean", WAYS, statistics)
    return objective, theta, state, task(examples(3), examples(4))


def some_queries(one, chosen):
    return one._replace(
        query_inputs=tf.gather(one.query_inputs, chosen),
        query_targets=tf.gather(one.query_targets, chosen),
    )


@pytest.mark.parametrize(
    ("statistics", "transductive"), [("batch", True), ("support", False), ("running", False)]
)
def test_only_the_statistics_of_all_queries_let_one_answer_depend_on_the_others(
    statistics, transductive
):
    objective, theta, state, one = problem(statistics)
    together = objective.predict(theta, state, one).numpy()
    alone = np.concatenate(
        [objective.predict(theta, state, some_queries(one, [i])).numpy() for i in range(4)]
    )
    assert together.shape == alone.shape == (4, WAYS)
    assert (np.abs(together - alone).max() > 1e-2) == transductive


def test_support_statistics_are_of_the_support_set_and_one_query():
    objective, theta, _, one = problem("support")
    outputs = objective.predict(theta, [], one)
    for i in range(4):
        inputs = tf.concat([one.support_inputs, one.query_inputs[i : i + 1]], axis=0)
        expected = objective.model.apply(theta, [], inputs)[0][-1]
        np.testing.assert_allclose(outputs[i], expected, atol=1e-5)
    other = one._replace(support_inputs=one.support_inputs[::-1] * 2)
    assert np.abs(objective.predict(theta, [], other) - outputs).max() > 1e-2


def test_running_statistics_follow_the_batches_of_training_alone():
    objective, theta, state, one = problem("running")
    model = objective.model
    assert model.statistics_names[:2] == ["normalization0/mean", "normalization0/variance"]
    _, trained = objective.inner(theta, state, one.support_inputs, one.support_targets)
    first = tf.nn.conv2d(one.support_inputs, theta[0], 2, "SAME")
    np.testing.assert_allclose(trained[0], 0.01 * tf.reduce_mean(first, [0, 1, 2]), rtol=1e-4)
    variance = 0.99 + 0.01 * tf.math.reduce_variance(first, [0, 1, 2])
    np.testing.assert_allclose(trained[1], variance, rtol=1e-4)
    _, _, after = objective.outer(theta, trained, one)
    assert np.abs(after[0] - trained[0]).max() > 1e-5
    before = objective.predict(theta, state, one)
    assert np.abs(objective.predict(theta, after, one) - before).max() > 1e-3


@pytest.mark.parametrize("algorithm", [MamlAlgorithm(), ReptileAlgorithm(inner_steps=2)])
def test_the_next_carry_is_the_sum_of_what_each_task_ends_with(algorithm):
    """The mean is the driver's. All tasks start from the same carry."""
    settings = noise_settings(
        model=MlpModel(hidden=(6,), normalization="batch", statistics="running"),
        algorithm=algorithm,
        runtime=MAP,
    )
    family = NoiseFamily()
    runner, start = BlockRunner(settings, family), initial(settings, family)
    carry = to_vector(start.carry) + 0.25
    weights = at(to_vector(start.theta), carry)
    whole = runner.run(weights, train_block(settings, family, 0, 3))
    parts = [runner.run(weights, train_block(settings, family, i, i + 1)) for i in range(3)]
    np.testing.assert_allclose(whole.carry, sum(part.carry for part in parts), rtol=1e-5)
    assert len({part.carry.tobytes() for part in parts}) == 3
    moved = runner.run(at(weights.theta, carry + 1), train_block(settings, family, 0, 3))
    passes = {"maml": 2, "reptile": 2}[algorithm.kind]
    np.testing.assert_allclose(moved.carry - whole.carry, 3 * 0.99**passes, rtol=1e-3)


def test_evaluation_uses_the_carry_and_leaves_none():
    settings = noise_settings(
        model=MlpModel(hidden=(6,), normalization="batch", statistics="running"), runtime=MAP
    )
    family = NoiseFamily()
    runner, start = BlockRunner(settings, family), initial(settings, family)
    block = held_out_block(settings, family, "evaluate", 3, Recipe(0.1, 1))
    theta, carry = to_vector(start.theta), to_vector(start.carry)
    one, other = (runner.run(at(theta, values), block) for values in (carry, carry + 1))
    assert one.carry.shape == (0,)
    assert np.abs(one.metrics["loss"] - other.metrics["loss"]).max() > 1e-3


def test_what_is_carried_is_what_the_settings_say():
    family = SinusoidFamily(sinusoid_settings().task)

    def names(model, algorithm):
        settings = sinusoid_settings(model=model, algorithm=algorithm)
        return carry_layout(settings, make_model(model, family.input_shape, 1)).names

    plain, running = (
        MlpModel(hidden=(2,), normalization="batch", statistics=kind)
        for kind in ("batch", "running")
    )
    assert names(plain, MamlAlgorithm()) == []
    statistics = ["normalization0/mean", "normalization0/variance"]
    assert names(running, MamlAlgorithm()) == statistics
    momentum = {"inner_optimizer": "momentum", "inner_moments": "persistent"}
    moments = [f"moment/{name}" for name in make_model(plain, (1,), 1).names]
    assert names(running, MamlAlgorithm(**momentum)) == statistics + moments
    assert names(plain, ReptileAlgorithm(**momentum)) == moments
    assert names(plain, ReptileAlgorithm(inner_moments="persistent")) == []
