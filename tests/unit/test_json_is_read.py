"""application/json: the forms that AWS's built-in algorithms, TF Serving and the toolkits taught their callers."""

import json
from typing import Any

import numpy as np
import pytest

from builders import MATRIX, TABLE, TEXT, read
from serving.errors import RequestError
from serving.schema import InputSchema

JSON = "application/json"
TWO_ROWS = [["M", 0.5], ["F", 0.25]]
RECORDS = [{"sex": "M", "length": 0.5}, {"length": 0.25, "sex": "F"}]


def rows_of(content: Any) -> list[list[object]]:
    """Return what a model of two named columns is given."""
    return read(json.dumps(content), JSON, TABLE).to_numpy().tolist()


def refusal(body: Any, schema: InputSchema = TABLE) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(body if isinstance(body, bytes | str) else json.dumps(body), JSON, schema)
    return caught.value


@pytest.mark.parametrize(
    "content",
    [
        {"instances": TWO_ROWS},
        {"inputs": TWO_ROWS},
        TWO_ROWS,
        {"instances": RECORDS},
        {"inputs": RECORDS},
        RECORDS,
        {"instances": [{"features": row} for row in TWO_ROWS]},
        [{"features": row} for row in TWO_ROWS],
        {"instances": [[*row, 9] for row in TWO_ROWS]},
        {"instances": [{**record, "rings": 9} for record in RECORDS]},
        {"instances": [TWO_ROWS[0], RECORDS[1]]},
        {"instances": TWO_ROWS, "signature_name": "serving_default"},
    ],
    ids=[
        "instances",
        "inputs",
        "bare list",
        "records in instances",
        "records in inputs",
        "bare records",
        "features in instances",
        "bare features",
        "rows with the label",
        "records with the label",
        "a row and a record",
        "a key beside instances",
    ],
)
def test_the_same_rows_are_read_from_every_form(content: Any) -> None:
    assert rows_of(content) == TWO_ROWS


@pytest.mark.parametrize(
    "content",
    [
        ["M", 0.5],
        {"sex": "M", "length": 0.5},
        {"features": ["M", 0.5]},
        {"instances": ["M", 0.5]},
        {"instances": {"sex": "M", "length": 0.5}},
        {"inputs": {"features": ["M", 0.5]}},
    ],
)
def test_one_row_needs_no_list_around_it(content: Any) -> None:
    assert rows_of(content) == [["M", 0.5]]


@pytest.mark.parametrize(
    "content",
    [
        "good",
        ["good"],
        {"inputs": "good"},
        {"inputs": ["good"]},
        {"instances": ["good"]},
        {"instances": [["good"]]},
        {"instances": [{"text": "good"}]},
        {"instances": [{"features": ["good"]}]},
        {"instances": [{"features": "good"}]},
        {"text": "good"},
        {"data": "good"},
    ],
)
def test_a_text_model_takes_texts_in_every_form(content: Any) -> None:
    assert read(json.dumps(content), JSON, TEXT) == ["good"]


def test_a_list_of_texts_is_one_row_each() -> None:
    assert read('{"instances": ["good", "bad", ""]}', JSON, TEXT) == ["good", "bad", ""]


@pytest.mark.parametrize("content", [{"instances": [1]}, [1, 2], {"instances": [["a", "b"]]}, {"other": "a"}, [None]])
def test_what_is_no_text_is_refused_with_its_row(content: Any) -> None:
    assert refusal(content, TEXT).message == "Row 1 is not a text."


def test_a_matrix_takes_numbers_and_text_that_spells_them() -> None:
    assert read('[[1, "2.5"], [true, -1e3]]', JSON, MATRIX).tolist() == [[1.0, 2.5], [1.0, -1000.0]]


@pytest.mark.parametrize("cell", ["null", '""', "NaN"])
def test_null_and_nan_are_missing_numbers(cell: str) -> None:
    assert np.isnan(read(f"[[1, {cell}]]", JSON, MATRIX)).tolist() == [[False, True]]
    assert read(f'[["M", {cell}]]', JSON, TABLE).isna().to_numpy().tolist() == [[False, True]]


def test_a_spelling_that_only_python_takes_for_a_number_is_refused() -> None:
    assert refusal([["1_0", 2]], MATRIX).message.startswith("Row 1, column 1: not a number.")
    assert refusal([["M", "1_0"]], TABLE).message.startswith("Row 1, column 'length': not a number.")


def test_null_is_a_missing_text() -> None:
    assert read("[[null, 1]]", JSON, TABLE).isna().to_numpy().tolist() == [[True, False]]


def test_a_number_in_a_text_column_is_its_text() -> None:
    assert rows_of([[1, 0.5]]) == [["1", 0.5]]


def test_a_column_given_twice_takes_the_last_value_as_json_readers_do() -> None:
    assert read('{"sex": "M", "length": 1, "length": 2}', JSON, TABLE).to_numpy().tolist() == [["M", 2.0]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"sex": "M", "length": 1}, {"sex": "F"}], "Row 2 has no column 'length'."),
        ({"Sex": "M", "Length": 1}, "Row 1 has no column 'sex', 'length'."),
        (
            {"sex": "M", "length": 1, "surprise": 2},
            "Row 1 has 1 unknown column(s); the model takes 'sex', 'length'.",
        ),
        ([["M", 1, 2, 3]], "Row 1 has 4 columns; the model takes 2 (or 3 with 'rings' as the last)."),
        ([["M", 1], 2], "Row 2 is not a list of values or an object with column names."),
        ({"instances": None}, "Row 1 is not a list of values or an object with column names."),
        ({"features": "M"}, "Row 1 is not a list of values or an object with column names."),
        ([], "The body holds no rows."),
        ({"instances": []}, "The body holds no rows."),
    ],
)
def test_rows_that_do_not_fit_are_named(content: Any, message: str) -> None:
    found = refusal(content)
    assert (found.status, found.message) == (400, message)


def test_a_record_for_a_model_without_names_is_refused() -> None:
    message = "Row 1 is an object, but the model's columns have no names: send lists."
    assert refusal({"a": 1, "b": 2}, MATRIX).message == message


@pytest.mark.parametrize(
    ("schema", "content", "message"),
    [
        (TABLE, [["M", 1], ["F", "secret"]], "Row 2, column 'length': not a number."),
        (TABLE, [["M", 1], ["F", ["secret"]]], "Row 2, column 'length': not a number."),
        (MATRIX, [[1, 2], [3, "secret"]], "Row 2, column 2: not a number."),
        (MATRIX, [[1, 2], [3, {"secret": 1}]], "Row 2, column 2: not a number."),
        (MATRIX, [[1, 2], [3, 10**400]], "Row 2, column 2: not a number."),
        (TABLE, [["M", 1], ["F", 10**400]], "Row 2, column 'length': not a number."),
    ],
)
def test_a_bad_number_is_named_by_row_and_column_and_not_repeated(
    schema: InputSchema, content: Any, message: str
) -> None:
    assert refusal(content, schema).message == message


@pytest.mark.parametrize("row", [[["M"], 1], [{"a": 1}, 1], [[[[]]], 1]])
def test_a_list_or_an_object_is_no_text(row: Any) -> None:
    """Its Python spelling would be taken for a category."""
    assert refusal([row]).status == 400


@pytest.mark.parametrize("content", [[[[1, 2], [3, 4]]], [[[1], [2]]], {"instances": [[[1, 2], [3, 4]]]}])
def test_a_row_of_rows_is_no_row_of_a_matrix(content: Any) -> None:
    assert refusal(content, MATRIX).status == 400
    assert refusal(content, InputSchema("matrix")).status == 400


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{", "line 1, column 2"),
        (b'{"instances": [1, 2}', "line 1, column 20"),
        (b"[1,\n2,\n]", "line 3, column 1"),
        (b"I,0.365", "line 1, column 1"),
        (b'{"instances": [[1]]} x', "line 1, column 22"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(body: bytes, place: str) -> None:
    message = refusal(body).message
    assert message.startswith("The body is not JSON: ")
    assert message.endswith(f" at {place}.")


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000, b"[[1, " + b"9" * 5_000 + b"]]"],
    ids=["lists", "objects", "closed lists", "huge integer"],
)
def test_json_made_to_exhaust_the_reader_is_refused(body: bytes) -> None:
    found = refusal(body)
    assert found.status == 400
    assert found.message == "The body is not JSON that can be read: nested too deeply, or a number too long."


@pytest.mark.parametrize("depth", range(100, 1000, 50))
def test_json_of_any_depth_is_refused_or_read(depth: int) -> None:
    assert refusal(b'[["M", ' + b"[" * depth + b"]" * depth + b"]]").status == 400


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b'\xef\xbb\xbf[["M", 0.5]]', JSON, TABLE).to_numpy().tolist() == [["M", 0.5]]


@pytest.mark.parametrize("charset", ["utf-16", "utf-32", "latin-1"])
def test_the_charset_parameter_is_honoured(charset: str) -> None:
    body = '[["Köln", 1]]'.encode(charset)
    assert read(body, f"application/json; charset={charset}", TABLE)["sex"].tolist() == ["Köln"]
