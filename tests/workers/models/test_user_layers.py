"""A user's layers in a task: dropout, batch statistics, training or not."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import user_models
from small_families import NoiseFamily, noise_settings, train_block
from small_tasks import at, task

from workers.block import BlockRunner
from workers.inner.losses import Objective
from workers.meta_parameters import initial
from workers.models.functional import FunctionalModel
from workers.models.registry import make_model
from workers.models.user_model import KerasModel
from workers.settings.worker import RuntimeSettings
from workers.wire.tensors import to_vector

FOLDER = str(Path(__file__).parents[2] / "fakes/tasks")


def objective_of(name, statistics="batch"):
    settings = KerasModel(source=f"user_models:{name}", folder=FOLDER, statistics=statistics)
    model = make_model(settings, (4,), 3)
    theta = [tf.constant(w) for w in model.initial_weights()]
    return Objective(model, "cross_entropy", "mean", 3, statistics), theta


def examples(number):
    rng = np.random.default_rng(number)
    return rng.normal(size=(number, 4)).astype(np.float32), np.arange(number, dtype=np.int32) % 3


@pytest.mark.parametrize("name", ["small", "subclassed"])
def test_dropout_is_a_function_of_the_tasks_seed(name):
    objective, theta = objective_of(name)
    inputs, targets = examples(6)

    def loss(seed):
        state = objective.model.start([], tf.constant(seed, tf.int32))
        value, after = objective.inner(theta, state, inputs, targets)
        return float(value), float(objective.inner(theta, after, inputs, targets)[0])

    assert loss([1, 2]) == loss([1, 2])
    assert len({loss([1, 2])[0], loss([1, 3])[0], loss([4, 2])[0]}) == 3
    first, second = loss([1, 2])
    assert first != second  # another mask at the next call


@pytest.mark.parametrize("name", ["small", "subclassed"])
def test_nothing_is_dropped_when_queries_are_predicted(name):
    objective, theta = objective_of(name)
    one = task(examples(3), examples(6))
    first, second = (
        objective.predict(theta, objective.model.start([], tf.constant(seed, tf.int32)), one)
        for seed in ([1, 2], [3, 4])
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ["small", "subclassed"])
@pytest.mark.parametrize(
    ("statistics", "transductive"), [("batch", True), ("support", False), ("running", False)]
)
def test_a_users_batch_normalization_follows_the_statistics_that_are_asked_for(
    name, statistics, transductive
):
    objective, theta = objective_of(name, statistics)
    model = objective.model
    statistics_before = [tf.constant(value) for value in model.initial_statistics()]
    assert len(statistics_before) == (2 if statistics == "running" else 0)
    state = model.start(statistics_before, tf.zeros(2, tf.int32))
    support, (inputs, targets) = examples(3), examples(6)
    together = objective.predict(theta, state, task(support, (inputs, targets)))
    alone = [
        objective.predict(theta, state, task(support, (inputs[i : i + 1], targets[i : i + 1])))[0]
        for i in range(6)
    ]
    assert (np.abs(together - np.array(alone)).max() > 1e-3) == transductive
    _, after = objective.inner(theta, state, inputs, targets)
    moved = [
        np.abs(a - b).max() for a, b in zip(model.statistics(after), statistics_before, strict=True)
    ]
    assert all(distance > 1e-4 for distance in moved)


def test_a_frozen_batch_normalization_keeps_its_statistics():
    keras.utils.set_random_seed(0)
    model = user_models.small((4,), 3)
    layer = next(x for x in model.layers if isinstance(x, keras.layers.BatchNormalization))
    layer.trainable = False
    layer.moving_mean.assign(np.full(6, 3.0))
    functional = FunctionalModel(model, (4,), running=False)
    theta = [tf.constant(w) for w in functional.initial_weights()]
    state = functional.start([], tf.zeros(2, tf.int32))
    inputs, _ = examples(6)
    together = functional.apply(theta, state, inputs, training=False)[0]
    alone = functional.apply(theta, state, inputs[:1], training=False)[0]
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)


def test_a_layers_own_gradient_counts_whatever_the_execution():
    model = KerasModel(
        source="user_models:reversed_gradient", folder=FOLDER, second_derivative="trusted"
    )
    gradients = []
    for execution in ("map", "vectorized"):
        runtime = RuntimeSettings(execution=execution, xla=False)
        settings = noise_settings(model=model, runtime=runtime)
        family = NoiseFamily((4,))
        weights = at(to_vector(initial(settings, family).theta))
        block = train_block(settings, family, 0, 3)
        gradients.append(BlockRunner(settings, family).run(weights, block).gradient)
    np.testing.assert_allclose(*gradients, atol=1e-5)
    assert np.abs(gradients[0]).max() > 1e-2
