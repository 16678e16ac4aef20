import pickle

import numpy as np
import pytest

from workers.wire.protocol import Block, Contribution, Draw, Recipe, take


def first(draw, *arguments, **named):
    return draw.generator(*arguments, **named).integers(0, 2**63, 4).tolist()


def test_a_draws_numbers_never_change():
    assert first(Draw(0, "train", 0)) == [
        106500010600983629,
        2227898105101312729,
        1027722119939102524,
        5205806038123207278,
    ]
    assert first(Draw(3, "test", 7), 5, "batches") == [
        5701768503695877793,
        4476743760101850589,
        3887886387945583847,
        3914345497584510206,
    ]


def test_a_generator_starts_afresh_each_time():
    draw = Draw(3, "train", 7)
    assert first(draw, 5) == first(draw, 5) == first(Draw(3, "train", 7), 5)


def test_seeds_splits_steps_indices_and_streams_never_share_numbers():
    numbers = set()
    streams = 0
    for seed in (0, 1, 2**40):
        for split in ("train", "validation", "test"):
            for step in (0, 1, 60_000):
                for index in (0, 1, 31):
                    for stream in ("tasks", "batches"):
                        numbers.update(first(Draw(seed, split, step), index, stream=stream))
                        streams += 1
    assert len(numbers) == 4 * streams


def test_an_index_does_not_reach_into_the_next_ones_numbers():
    """Philox counts up from its start: the index is above the bits that counting reaches."""
    draw = Draw(3, "train", 7)
    many = set(draw.generator(0).integers(0, 2**63, 10_000).tolist())
    assert not many & set(draw.generator(1).integers(0, 2**63, 10_000).tolist())


def test_an_unknown_stream_is_an_error():
    with pytest.raises(KeyError):
        Draw(0, "train", 0).generator(stream="other")


def test_take_cuts_every_array_by_tasks():
    specs = {"a": np.arange(6), "b": np.arange(12).reshape(6, 2)}
    cut = take(specs, 2, 4)
    assert cut["a"].tolist() == [2, 3]
    assert cut["b"].tolist() == [[4, 5], [6, 7]]


def test_what_crosses_the_wire_survives_pickling():
    block = Block("evaluate", 3, 1, 4, 6, {"a": np.arange(2)}, Recipe(0.1, 5))
    back = pickle.loads(pickle.dumps(block))
    assert (back.kind, back.step, back.index, back.lo, back.hi) == ("evaluate", 3, 1, 4, 6)
    assert back.recipe == Recipe(0.1, 5)
    np.testing.assert_array_equal(back.specs["a"], block.specs["a"])
    contribution = Contribution(
        1, 2, np.ones(3, np.float32), np.zeros(2, np.float32), {"loss": np.float32(2)}, 0.5
    )
    back = pickle.loads(pickle.dumps(contribution))
    assert (back.index, back.num_tasks, back.metrics, back.seconds) == (1, 2, {"loss": 2}, 0.5)
    np.testing.assert_array_equal(back.gradient, contribution.gradient)
    np.testing.assert_array_equal(back.carry, contribution.carry)
    assert pickle.loads(pickle.dumps(Draw(1, "test", 2))) == Draw(1, "test", 2)
