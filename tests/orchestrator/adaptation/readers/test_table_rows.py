import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from small_tables import changed, write_table

from orchestrator.adaptation.readers.reader import Columns
from orchestrator.adaptation.readers.table_rows import TableReader
from workers.settings.table_task import TableTask
from workers.settings.user_task_shapes import UserTaskShapes
from workers.wire.errors import DataError

ROWS = {"sensor": ["a", "a", "b"], "x": [1.0, 3, 5], "y": [0.0, 4, 2], "ppm": [10.0, 30, 50]}


def reader(classes=None, **settings):
    common = {"path": "gone.csv", "task_column": "sensor", "target_column": "ppm"}
    target = None if classes else {"names": ["ppm"], "mean": [20.0], "sd": [10.0]}
    shapes = UserTaskShapes(
        loss="cross_entropy" if classes else "mse",
        input_shape=(2,),
        num_outputs=len(classes) if classes else 1,
        preparation={
            "features": {"names": ["y", "x"], "mean": [2.0, 1.0], "sd": [4.0, 2.0]},
            "target": target,
            "classes": classes,
        },
    )
    return TableReader(TableTask(**{**common, **settings}), shapes)


@pytest.fixture
def read(tmp_path):
    def read_with(columns, role="support", named=Columns(), name="a.csv", **options):  # noqa: B008
        file = write_table(tmp_path / name, columns)
        return reader(**options).read(str(file), role, named)

    return read_with


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.feather"])
def test_rows_are_standardized_as_the_runs_own_were(read, name):
    examples = read(ROWS, name=name)
    np.testing.assert_array_equal(examples.inputs, [[-0.5, 0], [0.5, 1], [0, 2]])
    np.testing.assert_array_equal(examples.targets, [[-1], [1], [3]])
    assert examples.inputs.dtype == examples.targets.dtype == np.float32
    assert examples.names == ["row 0", "row 1", "row 2"]


def test_the_runs_task_column_tells_tasks_apart_and_it_is_said(read):
    examples = read(ROWS)
    assert examples.tasks == ["a", "a", "b"]
    assert examples.notes == [
        "--support: 2 tasks, told apart by 'sensor'; the model adapts to each",
    ]
    assert read(ROWS, "query").notes == []
    alone = {**ROWS, "sensor": ["a"] * 3}
    assert (read(alone).tasks, read(alone).notes) == (["a"] * 3, [])
    del alone["sensor"]
    assert read(alone).tasks == [""] * 3


def test_numbers_of_tasks_stay_as_they_are_written(read, tmp_path):
    (tmp_path / "b.csv").write_text("sensor,x,y,ppm\n01,1,1,1\n1,1,1,1\n")
    examples = reader().read(str(tmp_path / "b.csv"), "support", Columns())
    assert examples.tasks == ["01", "1"]


def test_other_columns_are_taken_where_they_are_named(read):
    columns = {"who": ["p", "q", "q"], "u": ROWS["y"], "v": ROWS["x"], "w": ROWS["ppm"]}
    examples = read(columns, named=Columns(("u", "v"), "w", "who"))
    np.testing.assert_array_equal(examples.inputs, read(ROWS).inputs)
    np.testing.assert_array_equal(examples.targets, read(ROWS).targets)
    assert (examples.tasks, examples.notes) == (["p", "q", "q"], [])


def test_queries_need_no_target_and_an_empty_one_is_none(read):
    without = {name: column for name, column in ROWS.items() if name != "ppm"}
    assert read(without, "query").targets is None
    for name in ("a.csv", "a.parquet"):
        assert read({**ROWS, "ppm": [None] * 3}, "query", name=name).targets is None
    assert len(read(ROWS, "query").targets) == 3


def test_classes_are_read_as_they_are_written(read):
    examples = read({**ROWS, "ppm": ["01", "1", "01"]}, classes=["01", "1"])
    assert examples.targets == ["01", "1", "01"]
    empty = read({**ROWS, "ppm": [""] * 3}, "query", classes=["01", "1"])
    assert empty.targets is None


def test_what_is_missing_is_the_mean_where_the_run_takes_it(read):
    holed = changed(ROWS, "x", 1, None)
    np.testing.assert_array_equal(read(holed, nulls="mean").inputs[1], [0.5, 0])
    values = [[2.0, np.nan], [6.0, 1.0]]
    np.testing.assert_array_equal(reader(nulls="mean").inputs(values), [[0, 0], [1, 0]])


def test_arrays_are_in_the_tables_own_units():
    assert reader().inputs([[2, 1], [6, 3]]).tolist() == [[0, 0], [1, 1]]
    assert reader().targets([20, 35]).tolist() == [[0], [1.5]]
    assert reader().values(np.array([[0.0], [1.5]], np.float32)).tolist() == [[20], [35]]
    large = UserTaskShapes(
        loss="mse",
        input_shape=(1,),
        num_outputs=1,
        preparation={
            "features": {"names": ["t"], "mean": [1.7e9], "sd": [10.0]},
            "target": {"names": ["y"], "mean": [0.0], "sd": [1.0]},
            "classes": None,
        },
    )
    task = TableTask(path="gone.csv", task_column="sensor", target_column="y")
    assert TableReader(task, large).inputs([[1.7e9 + 3]])[0, 0] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("columns", "named", "message"),
    [
        (
            {"x": [1.0], "ppm": [1.0]},
            Columns(),
            r"no column 'y' \(--input-column\); it has 'x'",
        ),
        ({"x": [1.0], "y": [1.0]}, Columns(), r"no column 'ppm' \(--target-column\)"),
        (ROWS, Columns(target="no"), r"no column 'no' \(--target-column\)"),
        (ROWS, Columns(task="no"), r"no column 'no' \(--task-column\)"),
        (ROWS, Columns(("x",)), "--input-column x: the model takes 2 features: y, x"),
        (changed(ROWS, "x", 1, None), Columns(), r"row 1 has no 'x' \(empty, or NaN\)"),
        (changed(ROWS, "ppm", 1, None), Columns(), "row 1 has no 'ppm'"),
        (changed(ROWS, "sensor", 1, ""), Columns(), "row 1 has no 'sensor'"),
        (changed(ROWS, "x", 2, float("inf")), Columns(), "row 2 has 'x' = inf"),
        (changed(ROWS, "x", 2, 1e300), Columns(), r"row 2 has 'x' = 1e.300, too far"),
        ({**ROWS, "x": ["1", "two", "3"]}, Columns(), "row 1 has 'x' = 'two'; numbers are needed"),
    ],
)
def test_wrong_rows_are_told(read, columns, named, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(columns, named=named)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, r"--support .*gone.csv is not a file; give a .csv, .*\.feather file"),
        ("a.txt", b"x", r"--support .*a.txt is of an unsupported type \(\.txt\); give a \.csv, "),
        ("a.csv", b"x,y,ppm\n", "has no rows"),
        ("a.parquet", b"x", "not a table that can be read"),
    ],
)
def test_what_is_no_table_is_told(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        reader().read(str(tmp_path / name), "support", Columns())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1.0]], r"inputs have shape \[1, 1\], the model takes \[n, 2\]"),
        ([[1.0, np.nan]], r"inputs\[0\] is not finite"),
        ([1.0, 2.0], r"inputs have shape \[2\]"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        reader().inputs(values)
    if np.shape(values) != (1, 2):
        with pytest.raises(ValueError, match=message):
            reader(nulls="mean").inputs(values)


@pytest.mark.parametrize("make", [dict, pa.table, pd.DataFrame], ids=["dict", "pyarrow", "pandas"])
def test_columns_with_names_are_taken_by_name(make):
    values = {"x": [1.0, 3], "other": ["a", "b"], "y": [0.0, 4]}
    np.testing.assert_array_equal(reader().inputs(make(values)), [[-0.5, 0], [0.5, 1]])
    np.testing.assert_array_equal(reader().inputs([[0, 1], [4, 3]]), [[-0.5, 0], [0.5, 1]])
    numbered = np.array([[0.0, 1], [4, 3]])
    np.testing.assert_array_equal(reader().inputs(pd.DataFrame(numbered)), [[-0.5, 0], [0.5, 1]])
    del values["y"]
    with pytest.raises(ValueError, match="inputs have no column 'y'; the model takes y, x"):
        reader().inputs(make(values))


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([["a", 1]], "inputs are not an array of numbers .*'a'"),
        ([[0, 1], [2]], "inputs are not an array of numbers"),
        ({"x": ["a"], "y": [0.0]}, "'x' are not an array of numbers .*'a'"),
        ([], "inputs are empty; give one example or more"),
    ],
)
def test_what_are_no_numbers_is_refused(values, match):
    with pytest.raises(ValueError, match=match):
        reader().inputs(values)
    with pytest.raises(ValueError, match="targets are not an array of numbers"):
        reader().targets(["a"])
