"""ANIL computes a task's features once, if the model can be cut in front of its head."""

import numpy as np
import pytest
import tensorflow as tf
from small_tasks import FRESH, task

from workers.algorithms.anil import AnilAlgorithm
from workers.inner.losses import Objective
from workers.models.mlp import MlpModel
from workers.models.registry import make_model


@pytest.mark.parametrize("multi_step", [False, True])
def test_with_features_computed_once_it_is_maml_whose_head_adapts(multi_step):
    rng = np.random.default_rng(0)

    def examples(count):
        inputs = rng.normal(size=(count, 3)).astype(np.float32)
        return inputs, rng.normal(size=(count, 2)).astype(np.float32)

    model = make_model(MlpModel(hidden=(5,)), (3,), 2)
    assert model.parts is not None
    objective, one = Objective(model, "mse", "mean", 1), task(examples(4), examples(6))
    theta = [tf.constant(weight) for weight in model.initial_weights()]
    settings = AnilAlgorithm(inner_lr=0.3, inner_steps=3, multi_step=multi_step)
    gradient, _, metrics = settings.outer_gradient(objective, theta, FRESH, one)
    with tf.GradientTape() as tape:
        tape.watch(theta)
        loss, _, expected = super(AnilAlgorithm, settings).outer_loss(objective, theta, FRESH, one)
    for actual, exact in zip(gradient, tape.gradient(loss, theta), strict=True):
        np.testing.assert_allclose(actual, exact, rtol=1e-4, atol=1e-6)
    assert metrics.keys() == expected.keys()
    assert ("loss_of_steps" in metrics) == multi_step
