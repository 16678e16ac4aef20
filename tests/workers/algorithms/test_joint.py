import numpy as np
import pytest
import tensorflow as tf
from small_families import (
    WAYS,
    NoiseFamily,
    held_out_block,
    make_family,
    noise_settings,
    sinusoid_settings,
    train_block,
)
from small_tasks import at

from workers.algorithms.joint import JointAlgorithm, replace_head
from workers.block import BlockRunner
from workers.meta_parameters import initial
from workers.models.conv4 import Conv4Model
from workers.models.linear import LinearModel
from workers.models.mlp import MlpModel
from workers.models.registry import make_model
from workers.settings.worker import RuntimeSettings
from workers.wire.protocol import Recipe
from workers.wire.tensors import to_vector

RUNTIME = RuntimeSettings(execution="map", xla=False)


def setup(settings, family):
    theta = initial(settings, family).theta
    return BlockRunner(settings, family), [tf.constant(w) for w in theta]


@pytest.fixture
def classification():
    family = NoiseFamily()
    settings = noise_settings(algorithm=JointAlgorithm(inner_lr=0.1), runtime=RUNTIME)
    return settings, family, *setup(settings, family)


@pytest.mark.parametrize(
    "settings", [LinearModel(), MlpModel(hidden=(5,), normalization="batch"), Conv4Model(filters=2)]
)
def test_replace_head_zeroes_exactly_the_head(settings):
    model = make_model(settings, (16, 16, 1), 7)
    small = make_model(settings, (16, 16, 1), WAYS)
    theta = [tf.random.stateless_normal(shape, (1, 2)) for shape in model.shapes]
    replaced = replace_head(theta, small.is_head, small.shapes)
    assert [tuple(w.shape) for w in replaced] == small.shapes
    for new, old in zip(replaced[:-2], theta[:-2], strict=True):
        np.testing.assert_array_equal(new, old)
    assert [np.count_nonzero(w) for w in replaced[-2:]] == [0, 0]


def test_before_fine_tuning_all_ways_are_equally_likely(classification):
    settings, family, runner, theta = classification
    block = held_out_block(settings, family, "evaluate", 3, Recipe(0.5, 4))
    loss = runner.run(at(to_vector(theta)), block).metrics["loss"]
    np.testing.assert_allclose(loss[:, 0], np.log(WAYS), rtol=1e-6)
    assert (loss[:, -1] < np.log(WAYS) - 0.05).all()


def test_training_classifies_all_examples_among_all_training_classes(classification):
    settings, family, runner, theta = classification
    block = train_block(settings, family, 0, 2)
    metrics = runner.run(at(to_vector(theta)), block).metrics
    episode = family.build(block.specs, global_labels=True)
    loss = accuracy = 0.0
    for task in range(2):
        inputs = np.concatenate([episode.support_inputs[task], episode.query_inputs[task]])
        targets = np.concatenate([episode.support_targets[task], episode.query_targets[task]])
        outputs = runner.train_model.apply(theta, [], tf.constant(inputs))[0].numpy()
        assert outputs.shape == (len(targets), family.num_train_classes)
        logs = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
        loss -= logs[np.arange(len(targets)), targets].mean()
        accuracy += np.mean(outputs.argmax(axis=1) == targets)
    np.testing.assert_allclose(metrics["loss_before"], loss, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss_after"], loss, rtol=1e-5)
    np.testing.assert_allclose(metrics["accuracy"], accuracy, rtol=1e-6)


def test_in_regression_the_head_is_kept():
    settings = sinusoid_settings(algorithm=JointAlgorithm(), runtime=RUNTIME)
    family = make_family(settings)
    runner, theta = setup(settings, family)
    block = held_out_block(settings, family, "predict", 2, Recipe(0.01, 1))
    outputs = runner.run(at(to_vector(theta)), block).metrics["outputs"]
    queries = family.build(block.specs).query_inputs
    for task in range(2):
        plain, _ = runner.train_model.apply(theta, [], tf.constant(queries[task]))
        np.testing.assert_allclose(outputs[task, 0], plain, rtol=1e-5, atol=1e-6)
    assert np.abs(outputs[:, 1] - outputs[:, 0]).max() > 1e-3
