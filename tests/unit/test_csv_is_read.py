"""text/csv: rows without a header line, of any dialect that spreadsheets and SageMaker send."""

import math

import numpy as np
import pandas as pd
import pytest

from builders import MATRIX, TABLE, TEXT, read
from serving.errors import BadRequest, RequestError, UnsupportedMediaType
from serving.schema import Column, InputSchema

CSV = "text/csv"


def rows_of(body: bytes | str, content_type: str = CSV) -> list[list[object]]:
    """Return what a model of two named columns is given."""
    return read(body, content_type, TABLE).to_numpy().tolist()


def refusal(body: bytes | str, schema: InputSchema = TABLE, content_type: str = CSV) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(body, content_type, schema)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        "M,0.5\nF,0.25",
        "M,0.5\nF,0.25\n",
        "M,0.5\r\nF,0.25\r\n",
        "M,0.5\rF,0.25\r",
        "\n\nM,0.5\n\n\nF,0.25\n\n",
        '"M","0.5"\n"F","0.25"\n',
        "\ufeffM,0.5\nF,0.25\n",
        "M,0.5,9\nF,0.25,10\n",
        "M,5e-1\nF, 0.25 \n",
    ],
    ids=[
        "no last line end",
        "LF",
        "CRLF",
        "CR",
        "blank lines",
        "quotes",
        "byte order mark",
        "label column",
        "exponents and spaces",
    ],
)
def test_the_same_rows_are_read_from_every_dialect(body: str) -> None:
    assert rows_of(body) == [["M", 0.5], ["F", 0.25]]


def test_only_some_rows_may_carry_the_label() -> None:
    assert rows_of("M,0.5,9\nF,0.25\n") == [["M", 0.5], ["F", 0.25]]


def test_quotes_protect_commas_line_ends_and_quotes() -> None:
    assert rows_of('"a,b\r\nc ""d""",1\n') == [['a,b\r\nc "d"', 1.0]]


@pytest.mark.parametrize(
    ("charset", "text"),
    [("utf-8", "Köln"), ("UTF-8", "東京"), ("latin-1", "Köln"), ("utf-16", "東京"), ("windows-1252", "€")],
)
def test_the_charset_parameter_is_honoured(charset: str, text: str) -> None:
    assert rows_of(f"{text},1".encode(charset), f"text/csv; charset={charset}") == [[text, 1.0]]


def test_the_input_is_a_data_frame_with_the_models_names_and_types() -> None:
    frame = read("M,1\nF,2\n", CSV, TABLE)
    assert list(frame.columns) == ["sex", "length"]
    assert frame["sex"].dtype == pd.Series(["M"], dtype="str").dtype
    assert frame["length"].dtype == np.float64


def test_an_empty_cell_is_a_missing_value() -> None:
    frame = read(",\nM,1\n", CSV, TABLE)
    assert frame.isna().to_numpy().tolist() == [[True, True], [False, False]]


def test_an_empty_cell_of_a_matrix_is_nan() -> None:
    assert np.isnan(read("1,\n,4\n", CSV, MATRIX)).tolist() == [[False, True], [True, False]]


def test_a_matrix_is_float64_and_exact() -> None:
    found = read("0.1,1e-300\n-7.258125951673891,17976931348623157e292\n", CSV, MATRIX)
    assert found.dtype == np.float64
    assert found.tolist() == [[0.1, 1e-300], [-7.258125951673891, 17976931348623157e292]]


def test_a_matrix_of_any_width_takes_what_comes() -> None:
    assert read("1,2,3\n4,5,6\n", CSV, InputSchema("matrix")).shape == (2, 3)


def test_where_only_the_values_can_tell_numbers_are_numbers_and_the_rest_is_text() -> None:
    schema = InputSchema("table", (Column("a", None), Column("b", None)), 2)
    frame = read("1,x\n,y\n", CSV, schema)
    assert frame["a"].dtype == np.float64
    assert frame["b"].tolist() == ["x", "y"]


@pytest.mark.parametrize("body", ["\n", "\r\n\r\n", "\ufeff"])
def test_a_body_without_rows_is_refused(body: str) -> None:
    assert refusal(body).message == "The body holds no rows."


def test_an_empty_body_is_refused() -> None:
    assert refusal(b"").message == "The body is empty."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("M,0.5\nF\n", "Row 2 has 1 columns; the model takes 2 (or 3 with 'rings' as the last)."),
        ("M,0.5,9,9\n", "Row 1 has 4 columns; the model takes 2 (or 3 with 'rings' as the last)."),
        ("M;0.5\n", "Row 1 has 1 columns; the model takes 2 (or 3 with 'rings' as the last)."),
    ],
)
def test_a_row_of_the_wrong_width_is_named(body: str, message: str) -> None:
    assert refusal(body).message == message


def test_without_a_label_only_one_width_is_right() -> None:
    assert refusal("1,2,3\n", MATRIX).message == "Row 1 has 3 columns; the model takes 2."


def test_a_ragged_matrix_of_any_width_names_the_row_that_differs() -> None:
    assert refusal("1,2\n3,4\n5\n", InputSchema("matrix")).message == "Row 3 has 1 columns; row 1 has 2."


@pytest.mark.parametrize(
    ("schema", "body", "message"),
    [
        (TABLE, "M,0.5\nF,secret\n", "Row 2, column 'length': not a number."),
        (MATRIX, "1,2\n3,4\n5,secret\n", "Row 3, column 2: not a number."),
    ],
    ids=["table", "matrix"],
)
def test_a_bad_number_is_named_by_row_and_column_and_not_repeated(schema: InputSchema, body: str, message: str) -> None:
    found = refusal(body, schema)
    assert found.message == message
    assert "secret" not in found.message


@pytest.mark.parametrize(("schema", "body"), [(TABLE, "sex,length\nM,0.5\n"), (MATRIX, "a,b\n1,2\n")])
def test_a_header_line_gets_a_hint(schema: InputSchema, body: str) -> None:
    assert refusal(body, schema).message.endswith("If row 1 is a header line, leave it out.")


@pytest.mark.parametrize("cell", ["0x10", "1,5", "--1", "1.2.3", "NULL", "\N{INFINITY}"])
def test_what_no_number_format_knows_is_refused(cell: str) -> None:
    assert refusal(f'M,"{cell}"\n').status == 400


def test_a_quote_that_is_never_closed_does_not_swallow_rows() -> None:
    assert refusal('M,"0.5\nF,0.25\n').status == 400


def test_bytes_of_another_charset_are_refused_with_their_place() -> None:
    found = refusal(b"K\xf6ln,1\n")
    assert (found.status, found.message) == (400, "The body is not utf-8: byte 1 cannot be decoded.")


@pytest.mark.parametrize("charset", ["klingon", "rot13", "base64", "undefined", "a\\0b", "idna"])
def test_a_charset_that_is_none_is_refused(charset: str) -> None:
    found = refusal("M,1\n\ufffd", content_type=f'text/csv; charset="{charset}"')
    assert isinstance(found, UnsupportedMediaType | BadRequest)


def test_a_charset_with_a_null_byte_is_refused() -> None:
    assert refusal("M,1\n", content_type='text/csv; charset="a\0b"').status in (400, 415)


def test_a_cell_may_be_as_long_as_the_body() -> None:
    text = "word " * 100_000
    assert read(f'"{text}"\n', CSV, TEXT) == [text]


def test_infinity_is_a_number() -> None:
    assert math.isinf(rows_of("M,inf\n")[0][1])
