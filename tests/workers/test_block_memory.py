"""Blocks that take less memory: in each mode of execution the sums of those that take more."""

import numpy as np
import pytest
import tensorflow as tf
from small_blocks import assert_close
from small_families import (
    WAYS,
    NoiseFamily,
    make_family,
    noise_settings,
    sinusoid_settings,
    train_block,
)
from small_tasks import at

from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.block import BlockRunner
from workers.meta_parameters import initial
from workers.models.conv4 import Conv4Model
from workers.models.mlp import MlpModel
from workers.models.user_model import KerasModel
from workers.settings.images_task import ImagesTask
from workers.settings.worker import RuntimeSettings
from workers.wire.tensors import to_vector

MODES = [("map", False), ("map", True), ("vectorized", False), ("vectorized", True)]
SINUSOIDS = sinusoid_settings(
    model=MlpModel(hidden=(8,)),
    algorithm=MamlAlgorithm(inner_lr=0.05, inner_steps=3, inner_optimizer="momentum"),
)
LESS = {
    "recompute": {"inner_memory": "recompute"},
    "micro-batches": {"inner_memory": "store", "micro_batch": 2},
    "both": {"inner_memory": "recompute", "micro_batch": 2},
}
QUICK = {("recompute", "map", False), ("recompute", "vectorized", True), ("both", "map", False)}


def contribution(settings, num_tasks=3, **runtime):
    family = make_family(settings)
    settings = settings.model_copy(update={"runtime": RuntimeSettings(**runtime)})
    runner, start = BlockRunner(settings, family), initial(settings, family)
    weights = at(to_vector(start.theta), to_vector(start.carry))
    block = train_block(settings, family, 0, num_tasks)
    first = runner.run(weights, block)
    again = runner.run(weights, block)
    assert again.gradient.tobytes() == first.gradient.tobytes()
    return first


@pytest.fixture(scope="module")
def stored():
    return contribution(SINUSOIDS, execution="map", xla=False)


@pytest.mark.parametrize(
    ("less", "execution", "xla"),
    [
        pytest.param(less, *mode, marks=[] if (less, *mode) in QUICK else [pytest.mark.slow])
        for less in LESS
        for mode in MODES
    ],
)
@pytest.mark.quick("recompute-map-False")
def test_less_memory_gives_the_same_sums_in_each_mode(stored, less, execution, xla):
    other = contribution(SINUSOIDS, execution=execution, xla=xla, **LESS[less])
    assert_close(other.gradient, stored.gradient)
    assert other.metrics.keys() == stored.metrics.keys()
    for name, value in stored.metrics.items():
        np.testing.assert_allclose(other.metrics[name], value, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("less", LESS)
def test_a_large_vectorized_block_keeps_gradients_of_its_own(less):
    """One derivative for all tasks would drop them."""
    runtime = {"execution": "vectorized", "xla": False}
    stored = contribution(SINUSOIDS, 70, **runtime)
    other = contribution(SINUSOIDS, 70, **runtime, **LESS[less])
    assert_close(other.gradient, stored.gradient)


@pytest.mark.slow
def test_tensors_of_more_than_200_mb_in_a_loop_are_computed_twice_alike():
    """TensorFlow's memory optimizer would leave a temporary variable, and fail the second time."""
    settings = noise_settings(
        task=ImagesTask(ways=WAYS, shots=8, queries=25),
        model=Conv4Model(),
        algorithm=MamlAlgorithm(inner_lr=0.01, inner_steps=1),
    )
    settings = settings.model_copy(
        update={"runtime": RuntimeSettings(inner_memory="recompute", execution="map", xla=False)}
    )
    family = NoiseFamily((84, 84, 3))
    runner, start = BlockRunner(settings, family), initial(settings, family)
    block = train_block(settings, family, 0, 1)
    first, second = (runner.run(at(to_vector(start.theta)), block) for _ in range(2))
    assert first.gradient.tobytes() == second.gradient.tobytes()


@pytest.mark.slow
def test_the_features_of_anil_are_computed_by_micro_batches():
    settings = noise_settings(
        model=MlpModel(hidden=(8,), normalization="layer"),
        algorithm=AnilAlgorithm(inner_lr=0.1, inner_steps=2),
    )
    whole = contribution(settings, execution="map", xla=False)
    by_few = contribution(settings, execution="map", xla=False, micro_batch=4)
    assert_close(by_few.gradient, whole.gradient)


def user_model(name):
    from pathlib import Path

    folder = str(Path(__file__).parents[1] / "fakes/tasks")
    return KerasModel(source=f"user_models:{name}", folder=folder)


@pytest.mark.parametrize(
    ("model", "why"),
    [("small", "'batch_normalization' normalizes"), ("centred", "depend on the others in a batch")],
)
def test_a_users_model_that_mixes_examples_has_no_micro_batches(model, why):
    settings = noise_settings(model=user_model(model))
    with pytest.raises(ValueError, match=r"runtime\.micro_batch = 2") as refused:
        contribution(settings, micro_batch=2)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_dropout_draws_anew_in_each_micro_batch():
    """Otherwise all micro-batches would leave out the same numbers."""
    settings = noise_settings(model=user_model("dropped"))
    settings = settings.model_copy(update={"runtime": RuntimeSettings(micro_batch=1)})
    runner = BlockRunner(settings, make_family(settings))
    model = runner.train_model
    state = model.start([], tf.constant([3, 4]))
    theta = [tf.constant(w) for w in model.initial_weights()]
    outputs, after = model.apply(theta, state, tf.ones((4, 4, 4, 1)))
    assert len({row.tobytes() for row in outputs.numpy()}) == 4
    again, _ = model.apply(theta, state, tf.ones((4, 4, 4, 1)))
    assert again.numpy().tobytes() == outputs.numpy().tobytes()
    later, _ = model.apply(theta, after, tf.ones((4, 4, 4, 1)))
    assert not {row.tobytes() for row in later.numpy()} & {row.tobytes() for row in outputs.numpy()}
