"""The features of a user's own tasks, computed as they come."""

from pathlib import Path

import numpy as np
import pytest
import small_backbones

from workers.backbone.backbone import Backbone
from workers.models.mlp import MlpModel
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.family import digests_of
from workers.tasks.registry import make_family

FAKES = str(Path(small_backbones.__file__).parent)
MODEL = MlpModel(backbone="small_backbones:images", folder=FAKES)
SHAPES = UserTaskShapes(loss="cross_entropy", input_shape=(16, 16, 1), num_outputs=3)


@pytest.fixture
def specs():
    draw = np.random.default_rng(0).random
    return {
        "support_inputs": draw((2, 3, 16, 16, 1), np.float32),
        "support_targets": np.tile(np.arange(3, dtype=np.int32), (2, 1)),
        "query_inputs": draw((2, 4, 16, 16, 1), np.float32),
        "query_targets": np.zeros((2, 4), np.int32),
    }


def test_tasks_have_the_features_of_their_examples(specs):
    family = make_family(SHAPES, MODEL)
    assert (family.input_shape, family.num_tokens, family.num_outputs) == ((6,), None, 3)
    backbone = Backbone(MODEL, (16, 16, 1))
    assert digests_of(family) == {"backbone": backbone.digest}
    episode = family.build(specs)
    for task in range(2):
        for name in ("support_inputs", "query_inputs"):
            np.testing.assert_array_equal(
                getattr(episode, name)[task], backbone.features(specs[name][task])
            )
    np.testing.assert_array_equal(episode.support_targets, specs["support_targets"])


def test_a_support_set_that_comes_again_is_not_computed_again(specs, monkeypatch):
    calls = []
    compute = Backbone.features
    monkeypatch.setattr(
        Backbone, "features", lambda self, inputs: calls.append(inputs) or compute(self, inputs)
    )
    family = make_family(SHAPES, MODEL)
    support = specs["support_inputs"][0]
    expected = family.features(support).copy()
    for query in specs["query_inputs"][0]:
        np.testing.assert_array_equal(family.features(support.copy()), expected)
        family.features(query[None])
    assert len(calls) == 5
    support[0, 0, 0] += 1  # in place, as a user may
    assert not np.array_equal(family.features(support), expected)
