"""The actor without Ray around it."""

import dataclasses
import os

import numpy as np
from small_families import make_family, sinusoid_settings, train_block
from small_tasks import at

from workers.actor import BlockActor
from workers.block import BlockRunner
from workers.execution.fingerprint import fingerprint
from workers.meta_parameters import initial
from workers.models.linear import LinearModel
from workers.wire.combine import combine
from workers.wire.packing import from_bytes, to_bytes
from workers.wire.protocol import Place
from workers.wire.tensors import to_vector


def test_an_actor_answers_with_its_fingerprint_and_computes_the_runners_bits():
    settings = sinusoid_settings(model=LinearModel())
    family = make_family(settings)
    actor = BlockActor(settings, gpus=0)
    assert actor.place() == Place(os.uname().nodename, os.getpid(), "")

    built = actor.build([train_block(settings, family, 0, 3)])
    assert built.fingerprint == fingerprint(family.digest)
    assert len(built.seconds) == 1
    assert built.seconds[0] > 0

    weights = at(to_vector(initial(settings, family).theta))
    runner = BlockRunner(settings, family)
    first, second = (train_block(settings, family, lo, lo + 3) for lo in (0, 3))
    blocks = [first, dataclasses.replace(second, index=1)]
    ours = combine([runner.run(weights, block) for block in blocks])
    expected = from_bytes(actor.run(to_bytes(weights), to_bytes(blocks)))
    np.testing.assert_array_equal(ours.gradient, expected.gradient)
    assert (expected.num_blocks, expected.num_tasks) == (2, 6)
    assert np.any(ours.gradient)
