import numpy as np
import pytest

from workers.inner.batches import draw_batches
from workers.wire.protocol import Draw

DRAW = Draw(seed=3, split="train", step=7)


@pytest.mark.parametrize(
    ("examples", "steps", "batch"),
    [(10, 8, 5), (10, 7, 3), (25, 4, 10), (5, 1, 5), (4, 3, 9)],
)
def test_every_epoch_sees_each_example_once(examples, steps, batch):
    batches = draw_batches(DRAW, 0, 6, examples, steps, batch)
    assert batches.shape == (6, steps, batch)
    assert batches.dtype == np.int32
    for task in batches.reshape(6, -1):
        epochs = [task[start : start + examples] for start in range(0, len(task), examples)]
        for epoch in epochs[:-1]:
            assert sorted(epoch) == list(range(examples))
        assert len(set(epochs[-1])) == len(epochs[-1])
        assert set(epochs[-1]) <= set(range(examples))


def test_each_epoch_and_each_task_is_shuffled_anew():
    batches = draw_batches(DRAW, 0, 3, 10, 2, 10)
    orders = {tuple(epoch) for task in batches for epoch in task}
    assert len(orders) == 6
    assert tuple(range(10)) not in orders


@pytest.mark.parametrize(("lo", "hi"), [(0, 1), (2, 5), (6, 8), (3, 3)])
def test_a_tasks_batches_are_the_same_in_whatever_block(lo, hi):
    whole = draw_batches(DRAW, 0, 8, 10, 5, 4)
    np.testing.assert_array_equal(draw_batches(DRAW, lo, hi, 10, 5, 4), whole[lo:hi])


def test_more_inner_steps_leave_the_first_ones_of_an_epoch_as_they_were():
    short, long = (draw_batches(DRAW, 0, 1, 6, steps, 2) for steps in (1, 3))
    np.testing.assert_array_equal(short[0, 0], long[0, 0])


@pytest.mark.parametrize("other", [Draw(4, "train", 7), Draw(3, "train", 8), Draw(3, "test", 7)])
def test_another_seed_step_or_split_deals_other_batches(other):
    one, two = (draw_batches(draw, 0, 2, 10, 2, 10) for draw in (DRAW, other))
    assert (one != two).any()


def test_a_seeds_batches_never_change():
    assert draw_batches(DRAW, 1, 3, 5, 3, 2).tolist() == [
        [[0, 4], [2, 1], [3, 4]],
        [[4, 0], [2, 1], [3, 0]],
    ]
