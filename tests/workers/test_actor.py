"""The actor without Ray around it."""

import json
import os

import numpy as np
from small_families import make_family, sinusoid_settings, train_block

from workers.actor import BlockActor
from workers.block import BlockRunner
from workers.models.functional import initial_theta
from workers.runtime import fingerprint
from workers.settings import LinearModel
from workers.tensors import pack


def test_an_actor_answers_with_its_fingerprint_and_computes_the_runners_bits():
    settings = sinusoid_settings(model=LinearModel())
    family = make_family(settings)
    actor = BlockActor(settings, gpus=0)

    answer = actor.ready()
    assert answer["fingerprint"] == fingerprint(family.digest)
    assert answer["pid"] == os.getpid()
    assert json.loads(json.dumps(answer)) == answer

    theta = pack(initial_theta(settings.model, family.input_shape, family.num_outputs, 0))
    block = train_block(settings, family, 0, 3)
    ours, theirs = (each.run(theta, block) for each in (BlockRunner(settings, family), actor))
    np.testing.assert_array_equal(ours.gradient, theirs.gradient)
    assert np.any(ours.gradient)
