"""application/x-npy: arrays as `numpy.save` writes them, never unpickled, never larger than the body."""

import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest

from builders import MATRIX, TABLE, TEXT, npy, npy_with_header, read
from serving.errors import RequestError
from serving.schema import Column, InputSchema

NPY = "application/x-npy"
TWO_ROWS = np.array([[1.0, 2.0], [3.0, 4.0]])
FIELDS = [("sex", "<U1"), ("length", "<f8")]


def refusal(body: bytes, schema: InputSchema = MATRIX) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(body, NPY, schema)
    return caught.value


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "<f2", "<i8", "<i4", "u1", "?"])
def test_numbers_of_every_type_become_float64(dtype: str) -> None:
    found = read(npy(np.array([[0, 1], [1, 0]], dtype)), NPY, MATRIX)
    assert found.dtype == np.float64
    assert found.tolist() == [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(version: tuple[int, int]) -> None:
    assert read(npy(TWO_ROWS, version), NPY, MATRIX).tolist() == TWO_ROWS.tolist()


def test_field_names_in_any_alphabet_are_read() -> None:
    """`numpy.save` writes version 3.0 for them."""
    schema = InputSchema("table", (Column("長さ", numeric=True),), 1)
    assert read(npy(np.array([(1.5,)], [("長さ", "<f8")])), NPY, schema).to_numpy().tolist() == [[1.5]]


def test_fortran_order_is_undone() -> None:
    assert read(npy(np.asfortranarray(TWO_ROWS)), NPY, MATRIX).tolist() == TWO_ROWS.tolist()


def test_one_dimension_is_one_row() -> None:
    assert read(npy(np.array([1.0, 2.0])), NPY, MATRIX).tolist() == [[1.0, 2.0]]


def test_nan_stays_nan() -> None:
    assert np.isnan(read(npy(np.array([[1.0, np.nan]])), NPY, MATRIX)).tolist() == [[False, True]]


def test_the_label_column_is_dropped() -> None:
    schema = InputSchema("matrix", width=2, label="y")
    assert read(npy(np.array([[1.0, 2.0, 9.0]])), NPY, schema).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("sex", ["<U1", "<U9", "S1"])
def test_a_structured_array_is_a_table_with_named_columns(sex: str) -> None:
    array = np.array([(0.5, "M"), (0.25, "F")], [("length", "<f4"), ("sex", sex)])
    assert read(npy(array), NPY, TABLE).to_numpy().tolist() == [["M", 0.5], ["F", 0.25]]


def test_a_structured_array_may_carry_the_label() -> None:
    array = np.array([("M", 0.5, 9)], [*FIELDS, ("rings", "<i4")])
    assert read(npy(array), NPY, TABLE).to_numpy().tolist() == [["M", 0.5]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([("sex", "<U1"), ("size", "<f8")], "Row 1 has no column 'length'."),
        ([*FIELDS, ("x", "<f8")], "Row 1 has 1 unknown column(s); the model takes 'sex', 'length'."),
    ],
)
def test_wrong_field_names_are_refused(fields: list[tuple[str, str]], message: str) -> None:
    assert refusal(npy(np.zeros(1, fields)), TABLE).message == message


@pytest.mark.parametrize("kind", ["U", "S"])
def test_strings_are_texts(kind: str) -> None:
    assert read(npy(np.array(["good", "bad"], kind)), NPY, TEXT) == ["good", "bad"]
    assert read(npy(np.array([["good"], ["bad"]], kind)), NPY, TEXT) == ["good", "bad"]


@pytest.mark.parametrize("kind", ["U", "S"])
def test_strings_are_the_cells_of_a_table(kind: str) -> None:
    assert read(npy(np.array([["M", "0.5"]], kind)), NPY, TABLE).to_numpy().tolist() == [["M", 0.5]]


def test_bytes_that_are_no_text_are_refused() -> None:
    assert refusal(npy(np.array([[b"\xff", b"1"]])), TABLE).status == 400


@pytest.mark.parametrize("shape", [(0, 2), (0,)])
def test_an_array_without_rows_is_refused(shape: tuple[int, ...]) -> None:
    assert refusal(npy(np.zeros(shape))).status == 400


def test_no_rows_are_called_no_rows() -> None:
    assert refusal(npy(np.zeros((0, 2)))).message == "The body holds no rows."


@pytest.mark.parametrize("schema", [TABLE, MATRIX, TEXT])
def test_three_dimensions_are_refused(schema: InputSchema) -> None:
    message = "The array has 3 dimensions; send (rows, columns)."
    assert refusal(npy(np.zeros((2, 2, 2))), schema).message == message


def test_the_wrong_width_is_refused() -> None:
    assert refusal(npy(np.zeros((2, 3)))).message == "Row 1 has 3 columns; the model takes 2."


@pytest.mark.parametrize(
    "array",
    [
        np.ones((1, 2), complex),
        np.array([["2020", "2021"]], "M8[D]"),
        np.ones((1, 2), "m8[s]"),
        np.zeros((1, 2), "V8"),
    ],
    ids=["complex", "dates", "durations", "raw bytes"],
)
@pytest.mark.parametrize("schema", [TABLE, MATRIX], ids=["table", "matrix"])
@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_what_is_no_number_is_refused_and_not_converted(array: Any, schema: InputSchema) -> None:
    assert refusal(npy(array), schema).status == 400


@pytest.mark.parametrize("array", [np.array([1, None], object), np.array([(1,)], [("a", object)])])
def test_a_pickled_payload_is_refused(array: Any) -> None:
    assert "pickled Python objects, which are never read" in refusal(npy(array)).message


def test_a_pickle_in_place_of_an_array_is_refused() -> None:
    assert refusal(pickle.dumps(TWO_ROWS)).status == 400


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(1000000, 1000000)", "(99999999999999999999999999,)"])
def test_a_header_that_promises_terabytes_is_refused_without_allocating_them(shape: str) -> None:
    body = npy_with_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}", bytes(16))
    tracemalloc.start()
    found = refusal(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.status == 400
    assert peak < 1_000_000


@pytest.mark.parametrize(
    "body",
    [
        npy(TWO_ROWS)[:-1],
        npy(TWO_ROWS)[:-8],
        npy(TWO_ROWS)[:40],
        npy(TWO_ROWS)[:8],
        npy(TWO_ROWS)[:3],
        npy(TWO_ROWS) + b"\0",
        npy(TWO_ROWS) + bytes(8),
        npy(TWO_ROWS) + npy(TWO_ROWS),
        b"PK\x03\x04" + bytes(40),
        b"1,2\n3,4\n",
    ],
    ids=[
        "a byte short",
        "a number short",
        "header cut",
        "magic only",
        "magic cut",
        "a byte too many",
        "a number too many",
        "two arrays",
        "npz",
        "csv",
    ],
)
def test_what_is_not_exactly_one_array_is_refused(body: bytes) -> None:
    found = refusal(body)
    assert found.status == 400
    assert found.message.startswith("The body is not a NumPy array: ")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "(" * 9000,
        "-" * 9000 + "1",
        "{'descr': ('",
        '"""',
        "{'descr': '<f8', 'shape': (1,)}",
        "{'descr': 'nothing', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1.0, 2)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 99999999999999999999999999)}",
        "__import__('os').abort()",
    ],
    ids=lambda header: header[:60],
)
def test_a_header_that_is_none_is_refused(header: str) -> None:
    assert refusal(npy_with_header(header, bytes(32))).status == 400


@pytest.mark.parametrize("kind", ["<f8", "<U5"])
def test_rows_without_columns_are_refused_however_many_a_header_promises(kind: str) -> None:
    """A hundred bytes can promise a thousand million million of them."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': (1000000000000000, 0), }}\n".encode()
    body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    assert "rows without columns" in refusal(body).message


@pytest.mark.parametrize("shape", ["(-1,)", "(-1, 2)", "(2, -1)", "(-2, -2)"])
def test_a_negative_length_is_refused_although_numpy_would_fill_it_in(shape: str) -> None:
    body = npy_with_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}", bytes(32))
    assert f"its shape is {shape}" in refusal(body).message
