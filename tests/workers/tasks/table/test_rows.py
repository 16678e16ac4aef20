import decimal

import numpy as np
import pyarrow as pa
import pytest
from small_tables import write_table

from workers.tasks.table.rows import Rows
from workers.wire.errors import DataError


def rows(folder, **columns):
    return Rows(write_table(folder / "a.parquet", columns))


def csv(folder, text, *text_columns):
    (folder / "a.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return Rows(folder / "a.csv", text_columns)


@pytest.mark.parametrize(
    "column",
    [
        [1, 2],
        [1.0, 2.0],
        pa.array([1, 2], pa.uint8()),
        pa.array([1.0, 2.0], pa.float32()),
        [decimal.Decimal("1.0"), decimal.Decimal("2.0")],
    ],
)
def test_numbers_of_any_type_are_float64(tmp_path, column):
    numbers = rows(tmp_path, x=column).column_of_numbers("x", False)
    assert numbers.dtype == np.float64
    assert numbers.tolist() == [1, 2]


def test_truth_values_are_0_and_1(tmp_path):
    table = rows(tmp_path, x=[True, False])
    assert table.column_of_numbers("x", False).tolist() == [1, 0]
    assert table.is_boolean("x")
    assert table.is_numeric("x")


def test_what_is_missing_is_nan_where_it_may(tmp_path):
    table = rows(tmp_path, x=[1.0, None, float("nan")])
    np.testing.assert_array_equal(table.column_of_numbers("x", True), [1, np.nan, np.nan])
    with pytest.raises(DataError, match=r"row 1 has no 'x' \(empty, or NaN\); fill it in"):
        table.column_of_numbers("x", False, "; fill it in")


@pytest.mark.parametrize("may_miss", [True, False])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x\n1\ninf\n", "row 1 has 'x' = inf; finite numbers are needed"),
        ("x\n1\n2\nhigh\n", "row 2 has 'x' = 'high'; numbers are needed"),
        ("x\n2020-01-01\n", "column 'x' holds date32.*, not numbers"),
        ("x,y\n,1\n", "column 'x' is empty"),
    ],
)
def test_what_is_no_number_is_named_by_its_row(tmp_path, may_miss, text, message):
    with pytest.raises(DataError, match=message):
        csv(tmp_path, text).column_of_numbers("x", may_miss)


def test_a_missing_column_is_told_with_those_that_are_there(tmp_path):
    with pytest.raises(DataError, match=r"has no column 'z' \(task\.z\); it has 'x', 'y'"):
        csv(tmp_path, "x,y\n1,2\n").check("z", "task.z")


def test_whole_numbers_with_a_gap_are_whole_as_texts(tmp_path):
    assert rows(tmp_path, c=[1.0, 2.5]).texts("c") == ["1", "2.5"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["a", None], "row 1 has no 'c'"),
        (["a", ""], "row 1 has no 'c'"),
        ([1.0, float("nan")], "row 1 has no 'c'"),
        (pa.array([b"a", b"\xff"]), "row 1 has a 'c' that is not UTF-8"),
    ],
)
def test_texts_that_are_none_are_named_by_their_row(tmp_path, column, message):
    with pytest.raises(DataError, match=message):
        rows(tmp_path, c=column).texts("c")


def test_bytes_of_a_csv_that_are_no_text_are_named_by_their_row(tmp_path):
    with pytest.raises(DataError, match="row 1 has a 'c' that is not UTF-8"):
        csv(tmp_path, b"c,x\na,1\n\xff,2\n", "c").texts("c")


@pytest.mark.parametrize(
    "column",
    [["7", "b"], pa.array(["7", "b"]).dictionary_encode(), pa.array(["7", "b"], pa.large_string())],
)
def test_texts_of_any_type(tmp_path, column):
    assert rows(tmp_path, c=column).texts("c") == ["7", "b"]


def test_a_column_is_empty_where_no_row_has_a_value(tmp_path):
    table = rows(tmp_path, a=[None, None], b=["", ""], c=[float("nan")] * 2, d=[None, 1.0])
    assert [table.is_empty(name) for name in "abcd"] == [True, True, True, False]


def test_numbers_with_a_slip_among_them_are_told(tmp_path):
    numbers = [str(i) for i in range(20)]
    slipped = [*numbers, "n.a."]
    words = [*numbers, *["word"] * 5]
    table = rows(tmp_path, slipped=slipped, words=[*words[-20:], "x"], numbers=[*numbers, "1"])
    with pytest.raises(DataError, match=r"row 20 has 'slipped' = 'n\.a\.'; numbers are .*; fix it"):
        table.check_meant("slipped", "fix it")
    table.check_meant("words", "fix it")
    table.check_meant("numbers", "fix it")


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ([1.0, 2.0], "double"),
        ([1, 2], "int64"),
        ([["a"], ["b"]], "list<.*string>"),
        ([{"a": 1}, {"a": 2}], "struct<a: int64>"),
        (pa.array([1, 2], pa.timestamp("ms")), r"timestamp\[ms\]"),
    ],
)
def test_texts_are_columns_of_texts(tmp_path, column, kind):
    table = rows(tmp_path, a=column, b=["c", "d"], c=pa.array(["c", "d"]).dictionary_encode())
    table.check_texts("b", "text_column")
    table.check_texts("c", "text_column")
    wanted = rf"a.parquet: column 'a' holds {kind}, not texts; name another one \(text_column\)"
    with pytest.raises(DataError, match=wanted):
        table.check_texts("a", "text_column")


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_another_separator_is_understood(tmp_path, sign):
    table = csv(tmp_path, f"text{sign}label\na{sign}b\n", "text")
    assert table.texts("text") == ["a"]
    with pytest.raises(DataError, match=r"it has 'a;b', 'c'$"):
        csv(tmp_path, "a;b,c\n1,2\n").check("text", "task.text_column")


def test_of_many_columns_a_message_names_a_few_and_those_that_are_alike(tmp_path):
    names = [f"sensor{i}" for i in range(1000)]
    table = csv(tmp_path, f"{','.join(names)}\n{','.join('1' for _ in names)}\n")
    with pytest.raises(DataError, match=r"it has 'sensor77', .*'sensor5', \.\.\. \(1000 in all\)$"):
        table.check("sensr77", "task.target_column")


def test_a_class_is_one_cell(tmp_path):
    table = rows(tmp_path, a=[["a"], ["b"]])
    with pytest.raises(DataError, match=r"'a' holds list<.*>; one text or number a row is needed"):
        table.texts("a")
