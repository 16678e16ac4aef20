import keras
import numpy as np
import pytest

from workers.models.gaussian_mlp import GaussianHead
from workers.models.mlp import GaussianMlpModel
from workers.models.registry import make_model

INPUTS = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return make_model(GaussianMlpModel(hidden=(16,), initial_std=0.2), (3,), 4)


def outputs_of(model):
    weights = model.initial_weights()
    return model.apply(weights, [], INPUTS)[0].numpy()


def test_standard_deviations_are_weights_that_depend_on_nothing(model):
    assert model.names[-1] == "head/log_std"
    assert model.shapes[-1] == (2,)
    np.testing.assert_allclose(outputs_of(model)[:, 2:], np.log(0.2), rtol=1e-6)


def test_a_new_policy_hardly_does_anything_but_try(model):
    means = outputs_of(model)[:, :2]
    assert 0 < np.abs(means).max() < 0.1


def test_the_head_is_means_and_standard_deviations_together(model):
    heads = [name for name, head in zip(model.names, model.is_head, strict=True) if head]
    assert heads == ["head/kernel", "head/bias", "head/log_std"]


def test_keras_keeps_it_in_a_file(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, GaussianHead(2, 0.5)(inputs))
    model.save(tmp_path / "policy.keras")
    again = keras.saving.load_model(tmp_path / "policy.keras")
    np.testing.assert_array_equal(again(INPUTS), model(INPUTS))
