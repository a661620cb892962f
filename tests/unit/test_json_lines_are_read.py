"""application/jsonlines: one row a line, and the line is named when something is wrong with it."""

import pytest

from builders import MATRIX, TABLE, TEXT, read
from serving.errors import RequestError
from serving.schema import InputSchema

JSON_LINES = "application/jsonlines"


def refusal(body: bytes | str, schema: InputSchema = TABLE) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(body, JSON_LINES, schema)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        '["M", 0.5]\n["F", 0.25]\n',
        '["M", 0.5]\r\n["F", 0.25]',
        '\n["M", 0.5]\n\n  \n["F", 0.25]\n\n',
        '{"sex": "M", "length": 0.5}\n{"length": 0.25, "sex": "F"}\n',
        '{"features": ["M", 0.5]}\n{"features": ["F", 0.25]}\n',
        '["M", 0.5, 9]\n{"sex": "F", "length": 0.25, "rings": 9}\n',
        '\ufeff["M", 0.5]\n["F", 0.25]\n',
    ],
    ids=["lists", "CRLF", "blank lines", "records", "features", "labels", "byte order mark"],
)
def test_the_same_rows_are_read_from_every_form(body: str) -> None:
    assert read(body, JSON_LINES, TABLE).to_numpy().tolist() == [["M", 0.5], ["F", 0.25]]


@pytest.mark.parametrize("alias", ["application/x-ndjson", "application/jsonl"])
def test_the_other_names_of_json_lines_are_known(alias: str) -> None:
    assert read("[1, 2]\n[3, 4]\n", alias, MATRIX).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_a_text_model_takes_a_text_a_line() -> None:
    body = '"good"\n{"text": "bad"}\n{"inputs": "fine"}\n["so so"]\n'
    assert read(body, JSON_LINES, TEXT) == ["good", "bad", "fine", "so so"]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85"])
def test_only_line_ends_end_a_line(character: str) -> None:
    """JSON allows Unicode's other line separators inside a text, unescaped."""
    assert read(f'"one{character}text"\n"two"\n', JSON_LINES, TEXT) == [f"one{character}text", "two"]


def test_a_line_that_is_not_json_is_named() -> None:
    message = refusal('["M", 0.5]\n\n["F", \n').message
    assert message == "Line 3 is not JSON: Expecting value at line 1, column 7."


def test_a_line_nested_too_deeply_is_named() -> None:
    assert refusal('["M", 1]\n' + "[" * 100_000).message.startswith("Line 2 is not JSON that can be read")


def test_a_row_that_does_not_fit_is_named() -> None:
    assert refusal('["M", 0.5]\n["F"]\n').message.startswith("Row 2 has 1 columns")


@pytest.mark.parametrize("body", ["\n", "  \n\n"])
def test_a_body_without_rows_is_refused(body: str) -> None:
    assert refusal(body).message == "The body holds no rows."
