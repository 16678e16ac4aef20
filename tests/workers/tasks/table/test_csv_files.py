"""CSV files as other people write them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workers.tasks.table.csv_dialects import MOST_COLUMNS, dialect_of
from workers.tasks.table.rows import Rows
from workers.tasks.table.table_files import read_table
from workers.wire.errors import DataError


def table(tmp_path, content, *texts, name="a.csv"):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(file, texts).to_pydict()


READ = {
    "semicolons and decimal commas": ("a;b\n1,5;x\n2,25;y\n", {"a": [1.5, 2.25], "b": ["x", "y"]}),
    "decimal commas in one column of several": (
        "a;b\n0,5;1\n1000;2\n",
        {"a": [0.5, 1000.0], "b": [1, 2]},
    ),
    "tabs": ("a\tb\n1.5\t2\n", {"a": [1.5], "b": [2]}),
    "bars": ("a|b\n1|2\n", {"a": [1], "b": [2]}),
    "a note before the names": ("# by me, in May\na,b\n1,2\n", {"a": [1], "b": [2]}),
    "a note between the rows": ("a,b\n1,2\n# by me\n3,4\n", {"a": [1, 3], "b": [2, 4]}),
    "names behind a sign": ("#a,b\n1,2\n", {"#a": [1], "b": [2]}),
    "names as NumPy writes them": ("# a,b\n1,2\n", {"# a": [1], "b": [2]}),
    "Excel's first line": ("sep=;\na;b\n1;2\n", {"a": [1], "b": [2]}),
    "a byte-order mark and a note": (b"\xef\xbb\xbf# x\na;b\n1,5;2\n", {"a": [1.5], "b": [2]}),
    "thousands with points": (
        "a;b\n1.234,5;1.000\n12,25;2.500\n",
        {"a": [1234.5, 12.25], "b": [1000.0, 2500.0]},
    ),
    "thousands with commas": (
        'a,b\n"1,234.5","1,000"\n"12.25","2,500"\n',
        {"a": [1234.5, 12.25], "b": [1000.0, 2500.0]},
    ),
    "thousands with spaces": ("a,b\n1 234.5,x\n999,y\n", {"a": [1234.5, 999.0], "b": ["x", "y"]}),
    "thousands with apostrophes": ("a,b\n1'234'567,x\n9,y\n", {"a": [1234567, 9], "b": ["x", "y"]}),
    "millions": ('a,b\n"1,234,567.5",x\n', {"a": [1234567.5], "b": ["x"]}),
    "what is missing": ("a;b\n1,5;x\n;y\nNA;z\n", {"a": [1.5, None, None], "b": ["x", "y", "z"]}),
    "commas in texts": (
        "a;b\nhi, you;x\nwell, then, bye;y\n",
        {"a": ["hi, you", "well, then, bye"], "b": ["x", "y"]},
    ),
    "semicolons in texts": (
        "a,b\nhi; you,x\nbye; you,y\n",
        {"a": ["hi; you", "bye; you"], "b": ["x", "y"]},
    ),
    "line ends in quotes": ('a,b\n"one\ntwo",1\n', {"a": ["one\ntwo"], "b": [1]}),
    "a list of two": ('a,b\n"1,2",x\n"2,1",y\n', {"a": ["1,2", "2,1"], "b": ["x", "y"]}),
    "either": ('a,b\n"1,234",x\n', {"a": ["1,234"], "b": ["x"]}),
}


@pytest.mark.parametrize(("content", "expected"), READ.values(), ids=READ.keys())
def test_a_file_is_read_as_it_is_meant_where_that_is_beyond_doubt(tmp_path, content, expected):
    assert table(tmp_path, content) == expected


def test_columns_of_texts_stay_as_they_are_written_in_any_dialect(tmp_path):
    columns = table(tmp_path, "a;b\n1,5;2,5\n", "a")
    assert columns == {"a": [b"1,5"], "b": [2.5]}


def test_what_may_be_either_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("a;b\n1,234;x\n2,345;y\n")
    rows = Rows(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"row 0 has 'a' = '1,234'; .*: a decimal comma, or thous"):
        rows.column_of_numbers("a", False)


def test_a_row_of_more_cells_is_told_by_its_line_and_the_files_own_separator(tmp_path):
    content = "a;b\n" + "1;2\n" * 30 + "1;2;3\n"
    with pytest.raises(DataError, match=r"line 32 has 3 cells, the first 2; .* holds a semicolon"):
        table(tmp_path, content)


def test_too_many_columns_are_refused_before_they_are_read(tmp_path):
    names = [f"c{i}" for i in range(MOST_COLUMNS + 1)]
    row = ",".join("1" for _ in names)
    with pytest.raises(DataError, match=r"has 10001 columns; 10000 are allowed"):
        table(tmp_path, f"{','.join(names)}\n{row}\n")
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({name: [1] for name in names}), file)
    with pytest.raises(DataError, match=r"has 10001 columns; 10000 are allowed"):
        read_table(file)


def test_a_header_longer_than_the_beginning_that_is_looked_at_is_counted(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(",".join(f"a_rather_long_name_{i}" for i in range(100_000)) + "\n")
    with pytest.raises(DataError, match="10000 are allowed"):
        dialect_of(file)


def test_classes_of_a_parquet_that_are_numbers_have_the_names_in_its_schema(tmp_path):
    described = {"info": {"features": {"y": {"_type": "ClassLabel", "names": ["no", "yes"]}}}}
    metadata = {"huggingface": json.dumps(described)}
    written = pa.table({"y": [1, 0, None]}).replace_schema_metadata(metadata)
    pq.write_table(written, tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").column("y").to_pylist() == ["yes", "no", None]


def test_a_short_row_that_is_no_utf8_is_told_and_nothing_else(tmp_path, capfd):
    file = tmp_path / "table.csv"
    file.write_bytes(b"a,b,c\n1,2,3\nna\xefve,2\n")
    with pytest.raises(DataError, match=r"line 3 has 2 cells, the first 3"):
        read_table(file)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("first", ["Measurements of May", "% made by hand"])
def test_a_title_that_is_no_note_is_told(tmp_path, first):
    file = tmp_path / "table.csv"
    file.write_text(f"{first}\na,b\n1,2\n")
    with pytest.raises(DataError, match=r"the first 1; is the first a title or a note\? delete it"):
        read_table(file)
