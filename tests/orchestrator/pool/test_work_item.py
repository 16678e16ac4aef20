import numpy as np
import pytest

from orchestrator.pool.work_item import WorkItem, leaves, root_above
from workers.wire.combine import combine
from workers.wire.protocol import Block, Contribution


def some_blocks(count, kind="train"):
    return [Block(kind, 0, index, index, index + 1, {}) for index in range(count)]


@pytest.mark.parametrize(
    ("num_blocks", "num_actors", "sizes"),
    [
        (8, 1, [8]),
        (8, 2, [4, 4]),
        (8, 3, [1] * 8),  # three and three and two: nodes of two would make it four
        (8, 4, [2] * 4),
        (16, 4, [4] * 4),
        (7, 1, [1] * 7),  # an odd one would leave a node of two half empty
        (1, 4, [1]),
        (100, 3, [2] * 50),
    ],
)
def test_leaves_are_as_large_as_leaves_the_load_even(num_blocks, num_actors, sizes):
    assert [len(w.blocks) for w in leaves(some_blocks(num_blocks), num_actors)] == sizes


@pytest.mark.parametrize("num_actors", range(1, 9))
def test_no_actor_works_longer_because_blocks_go_out_together(num_actors):
    for num_blocks in range(1, 70):
        shared = leaves(some_blocks(num_blocks), num_actors)
        assert [block.index for work in shared for block in work.blocks] == list(range(num_blocks))
        longest = -(-len(shared) // num_actors) * len(shared[0].blocks)
        assert longest == -(-num_blocks // num_actors)


def test_held_out_blocks_go_out_one_by_one():
    assert [len(w.blocks) for w in leaves(some_blocks(8, "evaluate"), 1)] == [1] * 8


def contribution(block):
    """Numbers of very different sizes, so that each order of summation rounds differently."""
    rng = np.random.default_rng(block.index)
    gradient = (rng.normal(size=9) * 10.0 ** rng.integers(-4, 5, 9)).astype(np.float32)
    return Contribution(block.index, 1, gradient, gradient[:2], {}, 0.0)


def computed(work: WorkItem) -> Contribution:
    """Add as actors do: each sum is the sum of its parts' sums."""
    if work.parts:
        return combine([computed(part) for part in work.parts])
    return combine([contribution(block) for block in work.blocks])


@pytest.mark.parametrize("num_actors", [1, 2, 3, 5, 16])
def test_the_sum_above_all_leaves_has_the_bits_of_the_sum_over_all_blocks(num_actors):
    for num_blocks in range(1, 70):
        blocks = some_blocks(num_blocks)
        straight = combine([contribution(block) for block in blocks])
        root = root_above(leaves(blocks, num_actors))
        assert list(root.blocks) == blocks
        total = computed(root)
        assert total.gradient.tobytes() == straight.gradient.tobytes()
        assert total.num_blocks == num_blocks


def test_a_sum_has_four_parts_at_most_and_each_block_once():
    root = root_above(leaves(some_blocks(70), 70))
    assert [len(part.blocks) for part in root.parts] == [64, 6]
    assert [len(part.blocks) for part in root.parts[0].parts] == [16] * 4
    assert [len(part.blocks) for part in root.parts[1].parts] == [4, 2]


def test_a_work_has_a_name_for_the_user():
    blocks = some_blocks(3)
    assert str(WorkItem(blocks[:1])) == "task 0 of step 0"
    assert str(WorkItem(blocks[1:])) == "tasks 1 to 2 of step 0"
    assert str(root_above(leaves(blocks, 3))) == "the sum of tasks 0 to 2 of step 0"
