import numpy as np
import pytest

from workers.wire.combine import combine
from workers.wire.protocol import Contribution

SIZE = 9


def block(index, num_blocks=1):
    """Numbers of very different sizes, so that each order of summation rounds differently."""
    rng = np.random.default_rng(index)
    gradient = (rng.normal(size=SIZE) * 10.0 ** rng.integers(-4, 5, SIZE)).astype(np.float32)
    metrics = {"loss": np.float32(rng.normal() * 1e3)}
    return Contribution(index, 2, gradient, gradient[:2], metrics, 0.5, num_blocks)


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_sums_of_nodes_have_the_bits_of_the_sum_over_all_blocks(size):
    for count in range(1, 18):
        blocks = [block(index) for index in range(count)]
        nodes = [combine(blocks[i : i + size]) for i in range(0, count, size)]
        straight, by_nodes = combine(blocks), combine(nodes)
        assert by_nodes.gradient.tobytes() == straight.gradient.tobytes()
        exact = sum(np.float64(b.metrics["loss"]) for b in blocks)
        assert by_nodes.carry.tobytes() == straight.gradient[:2].tobytes()
        assert by_nodes.metrics == straight.metrics == {"loss": pytest.approx(exact, rel=1e-14)}
        assert (by_nodes.index, by_nodes.num_blocks, by_nodes.num_tasks) == (0, count, 2 * count)
        assert by_nodes.seconds == 0.5 * count


def test_the_test_data_would_show_nodes_that_are_not_of_the_tree():
    blocks = [block(index) for index in range(9)]
    by_threes = [combine(blocks[i : i + 3]).gradient for i in range(0, 9, 3)]
    other = (by_threes[0] + by_threes[1]) + by_threes[2]
    assert other.tobytes() != combine(blocks).gradient.tobytes()


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([(0, 1), (2, 1)], id="one is missing"),
        pytest.param([(0, 1), (0, 1)], id="one is there twice"),
        pytest.param([(1, 1), (0, 1)], id="out of order"),
        pytest.param([(0, 2), (2, 1), (3, 1)], id="of two sizes"),
        pytest.param([(0, 1), (1, 2)], id="the last is larger"),
        pytest.param([(0, 3), (3, 3)], id="of no power of two"),
    ],
)
def test_what_is_not_a_node_of_the_tree_is_not_summed(parts):
    with pytest.raises(AssertionError):
        combine([block(index, num_blocks) for index, num_blocks in parts])
