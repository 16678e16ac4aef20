import numpy as np
import pyarrow as pa
import pytest

from orchestrator.storage.arrow_tensors import decode, encode


def same(one, other):
    return [(a.dtype, a.shape, a.tobytes()) for a in one] == [
        (a.dtype, a.shape, a.tobytes()) for a in other
    ]


@pytest.mark.parametrize(
    "arrays",
    [
        [],
        [np.array(5, np.int64)],
        [np.arange(6, dtype=np.float64).reshape(2, 3).T],
    ],
    ids=["none", "int64 scalar", "not contiguous"],
)
def test_any_list_of_arrays_is_encoded_and_decoded(arrays):
    names = [str(i) for i in range(len(arrays))]
    decoded, decoded_names = decode(encode(arrays, names))
    assert decoded_names == names
    assert same(decoded, [np.ascontiguousarray(a).reshape(a.shape) for a in arrays])


def test_encoding_is_a_function_of_the_values():
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(5, np.int64)]
    again = [array.copy() for array in arrays]
    assert encode(arrays, ["a", "b"]) == encode(again, ["a", "b"])


def test_what_is_encoded_is_an_arrow_file_of_one_row():
    kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
    with pa.ipc.open_file(pa.BufferReader(encode([kernel], ["θ/kernel"]))) as reader:
        table = reader.read_all()
    assert (table.num_rows, table.column_names) == (1, ["θ/kernel"])
    assert table.schema.field(0).type.shape == [2, 3]
    assert table.column(0).combine_chunks().to_numpy_ndarray()[0].tobytes() == kernel.tobytes()
