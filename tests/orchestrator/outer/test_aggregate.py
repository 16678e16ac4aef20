import itertools

import numpy as np
import pytest

from orchestrator.outer.aggregate import aggregate
from workers.wire.errors import NonFiniteError, PoolError
from workers.wire.protocol import Contribution

SIZE = 33


def contribution(index, num_tasks=2, gradient=None, seconds=0.0, loss=None, carry=None):
    rng = np.random.default_rng(index)
    if gradient is None:
        # Of very different sizes, so that each order of summation rounds differently.
        gradient = (rng.normal(size=SIZE) * 10.0 ** rng.integers(-4, 5, SIZE)).astype(np.float32)
    if carry is None:
        carry = gradient[:2] if gradient.ndim == 1 else np.zeros(2, np.float32)
        carry = np.nan_to_num(np.resize(carry, 2).astype(np.float32), posinf=0, neginf=0)
    value = np.float32(rng.normal() * 1e3) if loss is None else np.float32(loss)
    return Contribution(index, num_tasks, gradient, carry, {"loss_after": value}, seconds)


def same(one, other):
    return [v.tobytes() for v in one[:2]] == [v.tobytes() for v in other[:2]] and one[2] == other[2]


def test_every_order_of_arrival_gives_the_same_bits():
    blocks = [contribution(index) for index in range(5)]
    expected = aggregate(blocks, SIZE, 2)
    for order in itertools.permutations(blocks):
        assert same(aggregate(order, SIZE, 2), expected)


def test_the_test_data_would_show_another_order_of_summation():
    gradients = [contribution(index).gradient for index in range(5)]
    straight = ((((gradients[0] + gradients[1]) + gradients[2]) + gradients[3]) + gradients[4]) / 10
    mean, _, _ = aggregate([contribution(index) for index in range(5)], SIZE, 2)
    assert mean.tobytes() != straight.astype(np.float32).tobytes()


def test_how_long_a_block_took_does_not_matter():
    rng = np.random.default_rng(0)
    quick = [contribution(index) for index in range(7)]
    slow = [contribution(index, seconds=float(rng.random())) for index in range(7)]
    assert same(aggregate(quick, SIZE, 2), aggregate(slow[::-1], SIZE, 2))


def test_the_tree_is_neighbours_by_index_and_an_odd_last_one_moves_up():
    a, b, c, d, e = (contribution(index).gradient for index in range(5))
    mean, _, _ = aggregate([contribution(index) for index in range(5)], SIZE, 2)
    assert mean.tobytes() == ((((a + b) + (c + d)) + e) * np.float32(1 / 10)).tobytes()


def test_uneven_blocks_count_by_their_tasks():
    ones = np.ones(SIZE, np.float32)
    blocks = [
        contribution(0, 8, 8 * ones, loss=8 * 0.5),
        contribution(1, 8, 16 * ones, loss=8 * 1.0),
        contribution(2, 1, 10 * ones, loss=1 * 5.0),
    ]
    mean, _, metrics = aggregate(blocks, SIZE, 2)
    np.testing.assert_allclose(mean, (8 * 1 + 8 * 2 + 1 * 10) / 17, rtol=1e-6)
    assert metrics == {"loss_after": pytest.approx((8 * 0.5 + 8 * 1.0 + 5.0) / 17)}


def test_the_mean_is_float32_and_the_contributions_stay_as_they_were():
    blocks = [contribution(index) for index in range(3)]
    mean, _, _ = aggregate(blocks, SIZE, 2)
    assert mean.dtype == np.float32
    assert mean.shape == (SIZE,)
    for index, block in enumerate(blocks):
        assert block.gradient.tobytes() == contribution(index).gradient.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_refused_by_the_name_of_its_block(value):
    gradient = np.zeros(SIZE, np.float32)
    gradient[-1] = value
    blocks = [contribution(0), contribution(1), contribution(2, gradient=gradient)]
    with pytest.raises(NonFiniteError, match=r"^block 2 .*not finite$"):
        aggregate(blocks, SIZE, 2)


@pytest.mark.parametrize(
    "gradient",
    [
        np.zeros(SIZE + 1, np.float32),
        np.zeros(0, np.float32),
        np.zeros((SIZE, 1), np.float32),
        np.zeros((), np.float32),
        np.zeros(SIZE, np.float64),
        np.zeros(SIZE, np.float16),
        np.zeros(SIZE, np.int32),
    ],
    ids=lambda gradient: f"{gradient.dtype}{list(gradient.shape)}",
)
def test_a_misshapen_gradient_is_refused_by_the_name_of_its_block(gradient):
    blocks = [contribution(0), contribution(1, gradient=gradient)]
    with pytest.raises(PoolError) as refusal:
        aggregate(blocks, SIZE, 2)
    assert str(refusal.value) == (
        f"block 1 returned {gradient.dtype} {list(gradient.shape)} for an outer gradient of "
        f"float32 [{SIZE}]"
    )


@pytest.mark.parametrize("indices", [(0, 2), (1, 2), (0, 0), (0, 1, 1)])
def test_a_missing_or_a_double_block_is_not_summed(indices):
    with pytest.raises(AssertionError):
        aggregate([contribution(index) for index in indices], SIZE, 2)


def test_the_carry_is_the_mean_over_tasks_and_checked_like_the_gradient():
    blocks = [
        contribution(0, 8, carry=np.array([8, 16], np.float32)),
        contribution(1, 2, carry=np.array([12, 4], np.float32)),
    ]
    _, carry, _ = aggregate(blocks, SIZE, 2)
    np.testing.assert_allclose(carry, [2, 2], rtol=1e-6)
    assert carry.dtype == np.float32
    with pytest.raises(PoolError, match=r"block 0 returned float32 \[2\] for a carry of .* \[3\]"):
        aggregate(blocks, SIZE, 3)
    spoilt = contribution(1, carry=np.array([0, np.nan], np.float32))
    with pytest.raises(NonFiniteError, match=r"^block 1 returned a carry that is not finite$"):
        aggregate([blocks[0], spoilt], SIZE, 2)
