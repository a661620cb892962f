"""
Cells into columns, matrices and texts.

A *cell* is what a decoder found: text from CSV (empty when missing), a JSON value (None when missing).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, compress
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.errors import BadRequest
from serving.fast_cells import floats_in, texts_in

TEXT_KEYS = ("text", "inputs", "data")


def text_of(row: Any, number: int) -> str:
    """Return the row's text: a string, the only cell of a list, or an object's only text."""
    if isinstance(row, Mapping):
        row = next((row[key] for key in ("features", *TEXT_KEYS) if key in row), row)
    if isinstance(row, list | tuple) and len(row) == 1:
        row = row[0]
    if not isinstance(row, str):
        raise BadRequest(f"Row {number} is not a text.")
    return row


def columns_of(columns: Sequence[Sequence[Any]], names: Sequence[str], numeric: Sequence[bool | None]) -> list[Any]:
    """Return the values of every column, those that are numbers in one go if that is possible."""
    together = floats_in(list(chain.from_iterable(compress(columns, numeric))))
    if together is None:
        return [column_of(*column) for column in zip(columns, names, numeric, strict=True)]
    numbers = iter(together.reshape(-1, len(columns[0])))
    return [
        next(numbers) if is_number else column_of(values, name, is_number)
        for values, name, is_number in zip(columns, names, numeric, strict=True)
    ]


def column_of(values: Sequence[Any], name: str, numeric: bool | None) -> Any:
    """Return a column's values: floats with NaN for missing, or strings; *numeric* None lets the values tell."""
    found = texts_in(values) if numeric is False else floats_in(values)
    return plain_column(values, name, numeric) if found is None else found


def plain_column(values: Sequence[Any], name: str, numeric: bool | None) -> Any:
    """Return a column's values, looked at one by one."""
    if numeric is None:
        numeric = all(map(looks_numeric, values))
    if numeric:
        return floats_of(values, repr(name))
    return pd.array([text_in(value, name, row) for row, value in enumerate(values, 1)], dtype="str")


def text_in(value: Any, name: str, row: int) -> str | None:
    """Return the cell of a text column; the Python spelling of a list or an object is no text."""
    if isinstance(value, list | tuple | Mapping):
        raise BadRequest(f"Row {row}, column {name!r}: not a text.")
    return None if is_missing(value) else str(value)


def matrix_of(cells: list[Sequence[Any]]) -> NDArray[np.float64]:
    """Return the cells as a float64 array (rows, columns)."""
    found = floats_in(list(chain.from_iterable(cells)))
    if found is not None and len(found):
        return found.reshape(len(cells), -1)
    return plain_matrix(cells)


def plain_matrix(cells: list[Sequence[Any]]) -> NDArray[np.float64]:
    """Return the cells as a float64 array (rows, columns), looked at one by one."""
    try:
        matrix = np.array(cells, dtype=np.float64)
        if matrix.ndim == 2 and not any("_" in cell for row in cells for cell in row if isinstance(cell, str)):
            return matrix
    except (TypeError, ValueError, OverflowError):
        pass
    # a missing or a bad cell: find out which, one row at a time
    return np.stack([floats_of(row, None, number) for number, row in enumerate(cells, 1)])


def floats_of(values: Iterable[Any], name: str | None, row: int | None = None) -> NDArray[np.float64]:
    """
    Return *values* as float64; missing ones become NaN.

    Args:
        name: the column that the values are of, when they run down a column;
        row: the row that they are of, when they run along one.
    """
    floats = []
    for position, value in enumerate(values, 1):
        try:
            floats.append(number_of(value))
        except (TypeError, ValueError, OverflowError):
            where = (row, f"column {position}") if row else (position, f"column {name}")
            raise BadRequest(not_a_number(*where)) from None
    return np.array(floats, dtype=np.float64)


def number_of(cell: Any) -> float:
    """Return the cell as a float, NaN when it is missing; text that spells a number is one, in JSON too."""
    if isinstance(cell, str) and "_" in cell:
        raise ValueError(cell)  # Python reads 1_0 as ten, and nobody else does
    return float("nan") if is_missing(cell) else float(cell)


def not_a_number(row: int, column: str) -> str:
    """Return the message for a cell that should be a number; it does not repeat the cell."""
    hint = " If row 1 is a header line, leave it out." if row == 1 else ""
    return f"Row {row}, {column}: not a number.{hint}"


def is_missing(cell: Any) -> bool:
    """Tell whether the cell is CSV's empty text or JSON's null."""
    return cell is None or cell == ""


def looks_numeric(cell: Any) -> bool:
    """Tell whether the cell could be a number."""
    try:
        number_of(cell)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
