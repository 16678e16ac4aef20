"""Micro-batches change what is in memory at a time, and no more than the last digits."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_tasks import FRESH, task

from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.cavia import CaviaAlgorithm
from workers.algorithms.imaml import ImamlAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.inner.losses import Objective
from workers.models.mlp import MlpModel
from workers.models.registry import make_model

WAYS = 3
#: name -> (algorithm, whether the inner loop is recomputed, examples of a micro-batch).
CASES = {
    "store": (MamlAlgorithm(inner_lr=0.25, inner_steps=2), False, 3),
    "with a rest": (MamlAlgorithm(inner_lr=0.25, inner_steps=2), False, 4),
    "one by one, recomputed": (MamlAlgorithm(inner_lr=0.25, inner_steps=3), True, 1),
    "annealed, layer rates": (
        MamlAlgorithm(inner_steps=2, multi_step=True, multi_step_until=8, layer_rates=True),
        False,
        2,
    ),
    "cavia": (CaviaAlgorithm(inner_steps=2, context_size=3), True, 4),
    "imaml": (ImamlAlgorithm(inner_lr=0.25, inner_steps=3, cg_steps=2), False, 4),
    "anil": (AnilAlgorithm(inner_lr=0.25, inner_steps=2), False, 2),
    "anil, recomputed, multi-step": (
        AnilAlgorithm(inner_lr=0.25, inner_steps=3, multi_step=True),
        True,
        4,
    ),
}


def make_problem(algorithm):
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(5)
    settings = MlpModel(hidden=(8, 6), normalization="layer")
    model = make_model(settings, (5,), WAYS, context_size=algorithm.num_context)
    theta = [tf.constant(w + 0.2 * rng.normal(size=w.shape)) for w in model.initial_weights()]
    theta += [tf.constant(rng.uniform(0.1, 0.4, e.shape)) for e in algorithm.extras(model)]

    def examples(number):
        return rng.normal(size=(number, 5)), np.arange(number, dtype=np.int32) % WAYS

    return model, theta, task(examples(6), examples(9))


def outer_gradient(model, theta, one, algorithm, recompute):
    objective = Objective(model, "cross_entropy", "mean", WAYS, recompute=recompute)

    @tf.function(autograph=False)
    def graph(theta, one):
        return algorithm.outer_gradient(objective, theta, FRESH, one)

    return tf.nest.flatten(graph(theta, one))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.quick("store", "anil")
def test_micro_batches_give_the_gradient_of_the_whole_batch(name):
    algorithm, recompute, size = CASES[name]
    model, theta, one = make_problem(algorithm)
    whole = outer_gradient(model, theta, one, algorithm, recompute)
    model, theta, one = make_problem(algorithm)
    model.micro_batch = size
    by_few = outer_gradient(model, theta, one, algorithm, recompute)
    for expected, actual in zip(whole, by_few, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-9)
