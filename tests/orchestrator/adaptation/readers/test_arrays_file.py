"""Examples of any shape, with values or classes: from .npz files and from tables."""

import numpy as np
import pytest

from orchestrator.adaptation.readers.arrays_file import ArrayReader
from orchestrator.adaptation.readers.reader import Columns
from workers.settings.user_task_shapes import UserTaskShapes
from workers.wire.errors import DataError


def reader(loss="mse", shape=(2,), outputs=1):
    return ArrayReader(None, UserTaskShapes(loss=loss, input_shape=shape, num_outputs=outputs))


@pytest.fixture
def file(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        return str(tmp_path / "a.npz")

    return write


def test_values_come_from_a_file_of_arrays(file):
    found = reader().read(file(x=np.ones((3, 2)), y=np.arange(3.0)), "support", Columns())
    assert found.inputs.dtype == np.float32
    assert np.array_equal(found.targets, [[0], [1], [2]])
    assert found.names[2] == "example 2"


def test_classes_of_a_file_may_be_names_or_numbers(file):
    for labels in (["ill", "well"], [0, 1]):
        found = reader("cross_entropy", (4, 4, 1), 2).read(
            file(x=np.zeros((2, 4, 4, 1), np.uint8), y=labels), "support", Columns()
        )
        assert found.targets == [str(label) for label in labels]


def test_queries_need_no_targets(file):
    found = reader().read(file(x=np.ones((3, 2))), "query", Columns())
    assert found.targets is None
    with pytest.raises(DataError, match=r"a\.npz has no array 'y'; save it by np\.savez"):
        reader().read(file(x=np.ones((3, 2))), "support", Columns())


def test_a_table_may_have_classes(tmp_path):
    (tmp_path / "a.csv").write_text("a,b,y\n1,2,ill\n3,4,well\n")
    columns = Columns(inputs=("a", "b"))
    found = reader("cross_entropy", outputs=2).read(str(tmp_path / "a.csv"), "support", columns)
    assert found.targets == ["ill", "well"]
    assert found.inputs.tolist() == [[1, 2], [3, 4]]
    (tmp_path / "b.csv").write_text("a,b\n1,2\n")
    found = reader("cross_entropy", outputs=2).read(str(tmp_path / "b.csv"), "query", columns)
    assert found.targets is None


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.ones((3, 5)), "y": [1.0] * 3}, r"shape \[3, 5\], the model takes \[n, 2\]"),
        ({"x": np.ones((3, 2)), "y": [1.0] * 2}, "x has 3 examples, y 2"),
        ({"x": np.ones((2, 2)), "y": [1.0, np.nan]}, r"finite values \[2, 1\] are needed"),
        ({"x": np.array([[None]], object), "y": [1.0]}, r"a\.npz holds Python objects; save arr"),
        ({"x": np.ones((0, 2)), "y": []}, r"a\.npz: inputs are empty; give one example or more"),
    ],
)
def test_what_does_not_fit_is_refused(file, arrays, said):
    with pytest.raises(DataError, match=said):
        reader().read(file(**arrays), "support", Columns())


def test_what_is_no_npz_file_is_said_so(tmp_path):
    (tmp_path / "junk.npz").write_text("hi")
    with pytest.raises(DataError, match=r"junk\.npz is no \.npz file; save it by np\.savez"):
        reader().read(str(tmp_path / "junk.npz"), "support", Columns())
