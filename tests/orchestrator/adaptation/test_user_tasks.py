import numpy as np
import pytest
from small_configs import USER_MODEL, sinusoid

from orchestrator.adaptation.readers.reader import Examples
from orchestrator.adaptation.user_tasks import blocks_of, make_tasks
from workers.settings.user_task_shapes import UserTaskShapes
from workers.wire.protocol import Recipe

REGRESSION = UserTaskShapes(loss="mse", input_shape=(1,), num_outputs=1)
CLASSES = UserTaskShapes(loss="cross_entropy", input_shape=(1,), num_outputs=3)


def examples(values, targets=None, tasks=None):
    inputs = np.array(values, np.float32)[:, None]
    if targets is not None and not isinstance(targets[0], str):
        targets = np.array(targets, np.float32)[:, None]
    names = [f"row {i}" for i in range(len(values))]
    return Examples(inputs, targets, names, tasks or [""] * len(values))


def test_each_task_gets_its_own_examples_and_rows():
    support = examples([1, 2, 3], [10, 20, 30], ["b", "a", "b"])
    query = examples([4, 5, 6], None, ["a", "b", "b"])
    b, a = make_tasks(REGRESSION, support, query)
    assert (b.name, a.name) == ("b", "a")
    np.testing.assert_array_equal(b.support_inputs[:, 0], [1, 3])
    np.testing.assert_array_equal(b.support_targets[:, 0], [10, 30])
    np.testing.assert_array_equal(b.query_inputs[:, 0], [5, 6])
    assert (list(a.rows), list(b.rows)) == ([0], [1, 2])
    assert a.query_targets is None


def test_classes_are_sorted_for_each_task():
    support = examples([1, 2, 3, 4], ["x", "m", "a", "z"], ["1", "1", "2", "2"])
    query = examples([5, 6], ["x", "a"], ["1", "2"])
    one, two = make_tasks(CLASSES, support, query)
    assert (one.classes, two.classes) == (["m", "x"], ["a", "z"])
    assert list(one.support_targets) == [1, 0]
    assert (list(one.query_targets), list(two.query_targets)) == ([1], [0])
    assert one.support_targets.dtype == one.query_targets.dtype == np.int32


@pytest.mark.parametrize(
    ("shapes", "support", "query", "message"),
    [
        (CLASSES, examples([1] * 4, list("abcd")), examples([1]), "has 4 classes .* at most 3"),
        (CLASSES, examples([1, 2], ["a", "a"]), examples([1]), r"has one class only \(a\)"),
        (CLASSES, examples([1, 2], ["a", "b"]), examples([1], ["c"]), "row 0 .* of class 'c'"),
        (
            REGRESSION,
            examples([1], [1], ["a"]),
            examples([1, 2], None, ["a", "b"]),
            "query set has the task 'b', the support set has 'a'",
        ),
        (
            REGRESSION,
            examples([1, 2], [1, 2], ["a", "b"]),
            examples([1], None, ["a"]),
            "the task 'b' of the support set has no query",
        ),
    ],
)
def test_tasks_that_cannot_be_adapted_to_are_told(shapes, support, query, message):
    with pytest.raises(ValueError, match=message):
        make_tasks(shapes, support, query)


def tasks_of(sizes):
    names = [f"t{i}" for i in range(len(sizes))]
    supports = [name for name, size in zip(names, sizes, strict=True) for _ in range(size)]
    values = range(len(supports))
    support = examples(values, list(values), supports)
    return make_tasks(REGRESSION, support, examples(range(len(names)), None, names))


def test_a_block_holds_tasks_of_one_shape():
    blocks, order = blocks_of(sinusoid(), tasks_of([2, 3, 2, 2, 3]), Recipe(0.1, 1), "predict", 2)
    assert order == [0, 2, 3, 1, 4]
    assert [(block.lo, block.hi, block.index) for block in blocks] == [
        (0, 2, 0),
        (2, 3, 1),
        (3, 5, 2),
    ]
    assert [block.specs["support_inputs"].shape for block in blocks] == [
        (2, 2, 1),
        (1, 2, 1),
        (2, 3, 1),
    ]
    assert blocks[0].specs["query_targets"].shape == (2, 1, 1)


def test_a_task_is_gone_through_alike_whatever_stands_beside_it():
    config = sinusoid(*USER_MODEL, "evaluation.inner_batch=2")
    alone, _ = blocks_of(config, tasks_of([4]), Recipe(0.1, 3), "predict", 8)
    among, _ = blocks_of(config, tasks_of([4, 4, 4]), Recipe(0.1, 3), "predict", 8)
    for name in ("batches", "seeds"):
        for row in among[0].specs[name]:
            np.testing.assert_array_equal(row, alone[0].specs[name][0])
    assert alone[0].specs["batches"].shape == (1, 3, 2)
