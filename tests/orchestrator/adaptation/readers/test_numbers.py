import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.adaptation.readers.numbers import NumberReader
from orchestrator.adaptation.readers.reader import Columns
from workers.settings.user_task_shapes import UserTaskShapes
from workers.wire.errors import DataError


def reader(inputs=1, outputs=1):
    return NumberReader(
        None, UserTaskShapes(loss="mse", input_shape=(inputs,), num_outputs=outputs)
    )


def read(file, role="support", columns=Columns(), inputs=1, outputs=1):  # noqa: B008
    return reader(inputs, outputs).read(str(file), role, columns)


def csv(folder, text, name="a.csv"):
    file = folder / name
    file.write_text(text)
    return file


def test_pairs_are_read_from_x_and_y(tmp_path):
    examples = read(csv(tmp_path, "x,y\n1,2\n-0.5,1e-3\n"))
    np.testing.assert_array_equal(examples.inputs, np.array([[1], [-0.5]], np.float32))
    np.testing.assert_array_equal(examples.targets, np.array([[2], [1e-3]], np.float32))
    assert examples.inputs.dtype == examples.targets.dtype == np.float32
    assert examples.names == ["row 0: x = 1", "row 1: x = -0.5"]
    assert examples.tasks == ["", ""]


def test_queries_need_no_target(tmp_path):
    file = csv(tmp_path, "x\n1\n")
    assert read(file, "query").targets is None
    with pytest.raises(DataError, match=r"no column 'y' \(--target-column\); it has 'x'"):
        read(file, "support")
    assert read(file, "query", Columns(target="z")).targets is None
    with pytest.raises(DataError, match=r"no column 'z' \(--target-column\)"):
        read(file, "support", Columns(target="z"))


def test_columns_are_named_and_several_make_an_input(tmp_path):
    file = csv(tmp_path, "a,b,c,who\n1,2,3,ann\n4,5,6,bob\n")
    examples = read(file, columns=Columns(("a", "b"), "c", "who"), inputs=2)
    np.testing.assert_array_equal(examples.inputs, [[1, 2], [4, 5]])
    np.testing.assert_array_equal(examples.targets, [[3], [6]])
    assert examples.tasks == ["ann", "bob"]


def test_a_tasks_name_stays_as_it_is_written(tmp_path):
    file = csv(tmp_path, "x,y,t\n1,2,007\n")
    assert read(file, columns=Columns(task="t")).tasks == ["007"]


def test_a_column_of_lists_is_an_input(tmp_path):
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [[1.0, 2.0], [3.0, 4.0]], "y": [0.5, 1.5]}), file)
    examples = read(file, inputs=2)
    np.testing.assert_array_equal(examples.inputs, [[1, 2], [3, 4]])
    assert examples.names == ["row 0", "row 1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2\nnan,3\n", r"row 1 has no 'x' \(empty, or NaN\)"),
        ("x,y\n1,2\n,3\n", r"row 1 has no 'x'"),
        ("x,y\n1,inf\n", r"row 0 has 'y' = inf; finite numbers"),
        ("x,y\n1,1e300\n", r"row 0 has 'y' = 1e\+300; finite numbers"),
        ("x,x,y\n1,1,1\n", r"has the column 'x' more than once; rename one"),
        ("x,y\n1,2\nfoo,3\n", r"row 1 has 'x' = 'foo'; numbers are needed"),
        ("a,b\n1,2\n", r"has no column 'x' \(--input-column\); it has 'a', 'b'"),
        ("x,y\n", "has no rows"),
        ("", "not a table that can be read"),
        ("x,y\n1,2,3\n", "not a table that can be read"),
    ],
)
def test_a_wrong_table_is_told_with_its_row_and_column(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(csv(tmp_path, text))


def test_a_wrong_size_is_told(tmp_path):
    file = csv(tmp_path, "x,y,z\n1,2,3\n")
    with pytest.raises(DataError, match="x, y hold 2 numbers a row, the model takes 1"):
        read(file, columns=Columns(("x", "y"), "z"))
    with pytest.raises(DataError, match="'y' holds 1 numbers a row, the model has 2 outputs"):
        read(file, outputs=2)


@pytest.mark.parametrize("name", ["gone.csv", "a.txt", "."])
def test_what_is_no_table_is_told(tmp_path, name):
    (tmp_path / "a.txt").write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match=r"give a \.csv, .*\.feather file"):
        read(tmp_path / name)


def test_a_task_column_that_is_missing_is_told(tmp_path):
    with pytest.raises(DataError, match=r"no column 't' \(--task-column\)"):
        read(csv(tmp_path, "x,y\n1,2\n"), columns=Columns(task="t"))
