"""Block runners and settings for the tests of blocks."""

import functools

import numpy as np
from small_families import (
    make_family,
    noise_settings,
    sinusoid_settings,
)

from workers.algorithms.joint import JointAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.protonet import ProtoNetAlgorithm
from workers.algorithms.reptile import ReptileAlgorithm
from workers.algorithms.ridge import RidgeAlgorithm
from workers.block import BlockRunner
from workers.meta_parameters import initial
from workers.models.conv4 import Conv4Model
from workers.models.linear import LinearModel
from workers.models.mlp import MlpModel
from workers.settings.worker import ActorSettings, RuntimeSettings
from workers.wire.protocol import Recipe
from workers.wire.tensors import to_vector

MAP = RuntimeSettings(execution="map", xla=False)
VECTORIZED = RuntimeSettings(execution="vectorized", xla=False)
CASES = {
    "maml, sinusoid": sinusoid_settings(),
    "maml, batch": noise_settings(),
    "fomaml, layer": noise_settings(
        model=LinearModel(normalization="layer"),
        algorithm=MamlAlgorithm(inner_lr=0.1, first_order=True, inner_loss="sum_over_shots"),
    ),
    "reptile, adam": sinusoid_settings(
        algorithm=ReptileAlgorithm(inner_steps=3, inner_optimizer="adam")
    ),
    "joint": noise_settings(model=MlpModel(hidden=(8,)), algorithm=JointAlgorithm()),
    "ridge, sinusoid": sinusoid_settings(algorithm=RidgeAlgorithm()),
    "protonet, batch": noise_settings(
        model=MlpModel(hidden=(8,), normalization="batch", statistics="support"),
        algorithm=ProtoNetAlgorithm(),
    ),
    "maml, conv4": noise_settings(model=Conv4Model(filters=4)),
}
# All blocks have four tasks and all held-out ones two inner steps, unless numbers matter: every
# shape is a graph of its own.
RECIPE = Recipe(inner_lr=0.1, inner_steps=2)


def setup(settings, runtime=MAP, family=None):
    """Make a runner, its family, and theta; without `family`, a shared runner with its graphs."""
    if family is None:
        runner, family = shared(settings.model_dump_json(), runtime.model_dump_json())
    else:
        runner = BlockRunner(settings.model_copy(update={"runtime": runtime}), family)
    return runner, family, to_vector(initial(settings, family).theta)


@functools.cache
def shared(settings, runtime):
    """Make a runner, traced once for all tests: it keeps no training state."""
    settings = ActorSettings.model_validate_json(settings)
    runner, family, _ = setup(
        settings, RuntimeSettings.model_validate_json(runtime), make_family(settings)
    )
    return runner, family


def assert_close(actual, expected):
    assert np.linalg.norm(actual - expected) < 2e-5 * np.linalg.norm(expected)


def assert_same_bits(one, other):
    assert one.gradient.tobytes() == other.gradient.tobytes()
    assert one.metrics.keys() == other.metrics.keys()
    for name, values in one.metrics.items():
        assert values.tobytes() == other.metrics[name].tobytes()
