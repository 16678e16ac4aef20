"""Bodies in Arrow: columns of each kind, and streams that are damaged or would grow."""

import numpy as np
import pyarrow as pa
import pytest

from orchestrator.serve.examples import EncodedFiles
from orchestrator.serve.http.bodies import arrow_body
from orchestrator.serve.http.bodies.arrow_body import read_arrow
from orchestrator.serve.http.bodies.arrow_types import check_sizes
from orchestrator.serve.request_error import RequestError

PARTS = ["support", "support", "query"]


def stream(table, chunk=2, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=chunk)
    return sink.getvalue().to_pybytes()


def table(**columns):
    return pa.table({"part": PARTS, "target": ["a", "b", None], **columns})


@pytest.mark.parametrize(
    "inputs",
    [
        pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int8(), 2)),
        pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(1.0, 7).reshape(3, 2)),
    ],
)
def test_numbers_of_any_type_become_arrays(inputs):
    examples = read_arrow(stream(table(input=inputs)), 10)
    np.testing.assert_array_equal(examples.support, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(examples.queries, [[5, 6]])
    assert examples.targets == ["a", "b"]


def test_axes_nulls_excepted_are_kept_and_texts_and_files_too():
    nested = read_arrow(stream(table(input=pa.array([[[1, 2]], [[3, 4]], [[5, 6]]]))), 10)
    assert nested.support.shape == (2, 1, 2)
    assert read_arrow(stream(table(input=["x", "y", "z"])), 10).queries == ["z"]
    files = read_arrow(stream(table(input=[b"x", b"y", b"z"])), 10).support
    assert files == EncodedFiles(["input[0]", "input[1]"], [b"x", b"y"])
    columns = read_arrow(stream(table(ppm=[1, 2, 3], heat=[4.0, 5.0, 6.0])), 10).queries
    assert {name: values.tolist() for name, values in columns.items()} == {
        "ppm": [3],
        "heat": [6.0],
    }


def test_without_parts_all_are_queries():
    examples = read_arrow(stream(pa.table({"input": [1.0, 2.0]})), 10)
    assert examples.support is examples.targets is None
    assert examples.queries.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("made", "status", "line"),
    [
        (table(), 422, "no column 'input'"),
        (table(input=[1.0, None, 2.0]), 422, "'input' holds nulls"),
        (table(input=[[1.0], [None], [2.0]]), 422, "'input' holds nulls"),
        (table(input=[[1.0], [1.0, 2.0], [2.0]]), 422, "lists of unequal lengths"),
        (table(input=[True, False, True]), 422, "is bool; numbers"),
        (table(input=[{"a": 1}] * 3), 422, "is struct<"),
        (table(input=[1, 2, 3]).set_column(0, "part", pa.array(["a"] * 3)), 422, "holds 'a'"),
        (table(input=[1, 2, 3]).set_column(0, "part", pa.array([1] * 3)), 422, "is int64; texts"),
        (
            table(input=[1, 2, 3]).set_column(0, "part", pa.array(["query", None, "query"])),
            422,
            "'part' holds None",
        ),
        (table(input=[1, 2, 3]).set_column(1, "target", pa.array([b"a"] * 3)), 422, "is binary"),
        (table(input=[1, 2, 3]).append_column("input", pa.array([1] * 3)), 422, "of one name"),
        (pa.table({"input": range(11)}), 422, "has 11 rows; at most 10"),
        (pa.table({"input": pa.nulls(10**6)}), 422, "rows; at most 10"),
        (pa.table({"input": pa.array(["a"] * 3).dictionary_encode()}), 400, "has dictionaries"),
    ],
)
def test_what_is_no_example_is_refused(made, status, line):
    content = stream(made, 2 if made.num_rows < 1000 else made.num_rows)
    with pytest.raises(RequestError) as raised:
        read_arrow(content, 10)
    assert raised.value.status == status
    assert line in raised.value.line


EMPTY = [pa.struct([]), pa.null(), pa.list_(pa.int8(), 0), pa.bool_(), pa.list_view(pa.int8())]


@pytest.mark.parametrize("inner", [*EMPTY, pa.large_list(pa.int8()), pa.map_(pa.int8(), pa.int8())])
@pytest.mark.parametrize("name", ["input", "target", "feature"])
def test_lists_of_what_takes_no_bytes_are_refused_before_rows_are_chosen(inner, name, monkeypatch):
    def choose(table, part):
        raise AssertionError("rows were chosen")

    monkeypatch.setattr(arrow_body, "_of_part", choose)
    column = pa.array([[]] * 3, pa.list_(inner))
    made = pa.table({"part": PARTS, "target": list("abc")} | {name: column})
    for nested in (made, made.set_column(0, "part", column)):
        with pytest.raises(RequestError, match="numbers, lists of numbers, texts or binary"):
            read_arrow(stream(nested), 10)


@pytest.mark.parametrize("inner", EMPTY)
def test_a_column_that_is_not_read_is_not_looked_at(inner):
    made = table(input=[1.0, 2.0, 3.0], other=pa.array([[]] * 3, pa.list_(inner)))
    assert read_arrow(stream(made), 10).queries.tolist() == [3.0]


def test_a_stream_cannot_hold_fewer_bytes_than_the_numbers_that_it_declares():
    kind = pa.list_(pa.list_(pa.int8(), 4), 100)
    schema = pa.schema([("input", kind)])
    check_sizes(schema, 3, 1200)
    line = "column 'input' declares 1200 numbers, but the body has 1199 bytes"
    with pytest.raises(RequestError, match=line):
        check_sizes(schema, 3, 1199)
    huge = pa.schema([("input", pa.list_(pa.list_(pa.int8(), 2**31 - 1), 2**31 - 1))])
    check_sizes(huge, 0, 100)
    with pytest.raises(RequestError, match="write all of them"):
        check_sizes(huge, 1, 100)
    tensor = pa.schema([("input", pa.fixed_shape_tensor(pa.int8(), [20, 20]))])
    with pytest.raises(RequestError, match="declares 1200 numbers"):
        check_sizes(tensor, 3, 1199)


def test_an_empty_table_holds_nothing():
    examples = read_arrow(stream(table(input=[1, 2, 3]).slice(0, 0)), 10)
    assert examples.support is examples.queries is None


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_few_bytes_that_would_become_many_are_refused(codec):
    content = stream(pa.table({"input": np.zeros(10**6)}), 10**6, compression=codec)
    assert len(content) < 10**5
    with pytest.raises(RequestError, match="it is compressed; write it without compression"):
        read_arrow(content, 10**7)


def test_a_damaged_stream_is_refused_or_read_but_raises_nothing_else():
    good, rng = stream(table(input=[[1.0], [2.0], [3.0]])), np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        content = bytearray(good)
        for place in rng.integers(len(good), size=rng.integers(1, 4)):
            content[place] = rng.integers(256)
        try:
            read_arrow(bytes(content[: rng.integers(len(good) // 2, len(good) + 1)]), 10)
        except RequestError:
            refused += 1
    assert refused > 100
