"""JSON as values and as rows: by orjson where that surely reads what `json` does, and else by `json`."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

from serving.errors import BadRequest

INSTANCE_KEYS = ("instances", "inputs")
UTF8 = ("utf-8", "UTF-8", "utf8")
# orjson reads an integer of more than 64 bits as a float. With every digit as 0, long ones are found in one go.
DIGITS_AS_0 = bytes.maketrans(b"123456789", b"000000000")
LONG_INTEGER = b"0" * 19
LONG_FRACTION = b"." + LONG_INTEGER


def read_json(body: bytes, charset: str) -> Any:
    """Return the JSON value; raise `ValueError` where `json` may find another, or has to say what is wrong."""
    refuse_doubt(body, charset)
    return orjson.loads(body)


def read_json_lines(body: bytes, charset: str) -> list[Any]:
    """Return the JSON value on each line that is not empty; raise `ValueError` as `read_json` does."""
    refuse_doubt(body, charset)
    return [orjson.loads(line) for line in body.split(b"\n") if line.strip()]


def refuse_doubt(body: bytes, charset: str) -> None:
    """Raise `ValueError` for another charset, and for what may hold an integer that orjson reads as a float."""
    if charset not in UTF8:
        raise ValueError("another charset")
    digits = body.translate(DIGITS_AS_0)
    if digits.count(LONG_INTEGER) != digits.count(LONG_FRACTION):
        raise ValueError("perhaps an integer of more than 64 bits")


def rows_in_json(content: Any) -> list[Any]:
    """Return the rows of `{"instances": rows}`, `{"inputs": rows}`, a list of rows, or one row."""
    if isinstance(content, Mapping):
        key = next((key for key in INSTANCE_KEYS if key in content), None)
        content = [content] if key is None else content[key]
    if not isinstance(content, list):
        return [content]
    return [content] if is_one_row(content) else content


def rows_in_lines(text: str) -> list[Any]:
    """Return the value on each line that is not empty."""
    # not splitlines: JSON allows Unicode's other line separators inside a text
    lines = enumerate(text.split("\n"), 1)
    return [parse_json(line, f"Line {number}") for number, line in lines if line.strip()]


def is_one_row(content: list[Any]) -> bool:
    """Tell one row, `[1.5, "M"]`, from a list of rows and from a list of texts."""
    nested = any(isinstance(item, list | dict) for item in content)
    return bool(content) and not nested and not all(isinstance(item, str) for item in content)


def parse_json(text: str, what: str) -> Any:
    """Return the JSON value that *text* spells."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BadRequest(f"{what} is not JSON: {error.msg} at {place}.") from None
    except (RecursionError, ValueError):  # ValueError: an integer of more digits than Python cares to read
        raise BadRequest(f"{what} is not JSON that can be read: nested too deeply, or a number too long.") from None
