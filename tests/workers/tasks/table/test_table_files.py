import pytest
from small_tables import write_table

from workers.tasks.table.table_files import SUFFIXES, read_table
from workers.wire.errors import DataError

COLUMNS = {"name": ["a", "b"], "x": [1.5, 2.0], "n": [1, 2]}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_is_read_from_each_kind_of_file(tmp_path, suffix):
    table = read_table(write_table(tmp_path / f"a{suffix}", COLUMNS))
    assert table.to_pydict() == COLUMNS


def test_arrow_is_read_from_its_stream_format_and_its_file_format(tmp_path):
    feather = write_table(tmp_path / "a.feather", COLUMNS)
    as_file = feather.rename(tmp_path / "file.arrow")
    as_stream = write_table(tmp_path / "stream.arrow", COLUMNS)
    assert as_file.read_bytes()[:6] == b"ARROW1"
    assert as_stream.read_bytes()[:6] != b"ARROW1"
    assert read_table(as_file).to_pydict() == read_table(as_stream).to_pydict() == COLUMNS


def test_columns_of_texts_stay_as_they_are_written(tmp_path):
    (tmp_path / "a.csv").write_text("id,x\n007,1\n1e3,2\n")
    table = read_table(tmp_path / "a.csv", ["id"])
    assert table.column("id").to_pylist() == [b"007", b"1e3"]
    assert read_table(tmp_path / "a.csv").column("id").to_pylist() == [7.0, 1000.0]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfx,y\n1,2\n")
    assert read_table(tmp_path / "a.csv").column_names == ["x", "y"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, r"gone\.csv does not exist; give a \.csv, .* or \.feather file"),
        ("a.txt", b"x\n1\n", r"a\.txt is of an unsupported type \(\.txt\); give a \.csv, "),
        ("a.csv", b"", "not a table that can be read .Empty CSV"),
        ("a.csv", b"x,y,x\n1,2,3\n", "has the column 'x' more than once; rename one"),
        ("a.csv", b"x,y\n", r"a\.csv: has no rows"),
        ("a.csv", b"x,y\n1,2\n1,2,3\n", r"read \(line 3 has 3 cells, the first 2; quote a text"),
        ("a.csv", "x,y\n1,2\n".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("a.parquet", b"no Parquet at all", "not a table that can be read .*: Parquet magic"),
        ("a.parquet", b"", "not a table that can be read"),
        ("a.arrow", b"", "not a table that can be read"),
        ("a.arrow", b"no Arrow at all, be it long enough", "not a table that can be read"),
        ("a.feather", b"ARROW1 and then nothing more", "not a table that can be read"),
    ],
)
def test_what_is_no_table_is_named_in_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_table(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_table(tmp_path):
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(DataError, match="is a folder; give a "):
        read_table(tmp_path / "a.parquet")
