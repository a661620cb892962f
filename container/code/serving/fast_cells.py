"""
Many cells at once: what `serving.cells` finds one by one, or None where that may be something else.

orjson reads numbers four times as fast as `float`, and refuses more; what it takes, it reads to the same bit.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray
from pandas.api.internals import create_dataframe_from_blocks  # type: ignore[import-not-found]

NUMBERS = {float, int, bool, type(None)}
TEXTS = {str, type(None)}


def floats_in(cells: Sequence[Any]) -> NDArray[np.float64] | None:
    """Return the cells as float64, NaN for missing ones."""
    kinds = set(map(type, cells))
    if kinds == {str}:
        return floats_spelled(cells)
    if not kinds <= NUMBERS:
        return None
    try:
        return np.array(cells, dtype=np.float64)
    except OverflowError:
        return None


def floats_spelled(texts: Sequence[str]) -> NDArray[np.float64] | None:
    """Return the numbers that the texts spell, NaN for empty ones."""
    joined = ",".join(texts)
    found = floats_between_commas(joined)
    if found is not None and len(found) == len(texts):
        return found
    if "_" in joined:
        return None
    try:
        return np.array([float(text or "nan") for text in texts])
    except ValueError:
        return None


def floats_between_commas(text: str) -> NDArray[np.float64] | None:
    """Return the numbers of a line that has nothing else, not even an empty cell."""
    try:
        numbers = orjson.loads(f"[{text}]")
    except ValueError:
        return None
    kinds = set(map(type, numbers))
    if kinds == {float} or (kinds <= {float, int} and "-0" not in text):  # the integer -0 has no sign, the float has
        return np.array(numbers, dtype=np.float64)
    return None


def texts_in(cells: Sequence[Any]) -> Any:
    """Return the cells as a column of texts, empty ones as missing."""
    if not set(map(type, cells)) <= TEXTS:
        return None
    return pd.array(np.array([text or None for text in cells], dtype=object), dtype=text_dtype())


@cache
def text_dtype() -> Any:
    """Return what pandas means by "str" here; to find out takes longer than to read a row."""
    return pd.array([""], dtype="str").dtype


def frame_in(columns: Sequence[Any], names: pd.Index) -> pd.DataFrame:
    """Return the frame that `pd.DataFrame` makes of a dict without copying it: each column in a block of its own."""
    places = np.arange(len(columns)).reshape(-1, 1)
    blocks = [column.reshape(1, -1) if isinstance(column, np.ndarray) else column for column in columns]
    return create_dataframe_from_blocks(  # type: ignore[no-any-return]
        list(zip(blocks, places, strict=True)), index=pd.RangeIndex(len(columns[0])), columns=names.view()
    )


def cells_in(rows: list[Any], names: Sequence[str], width: int | None, label: str | None) -> list[Any] | None:
    """Return the cells of rows that are all alike, in the order of *names* and without the label."""
    kinds = set(map(type, rows))
    if kinds == {dict}:
        return cells_of_records(rows, names, label) if names else None
    widths = set(map(len, rows)) if kinds == {list} else set()
    if len(widths) != 1:
        return None
    if width is None or widths == {width}:
        return rows
    return [row[:-1] for row in rows] if label is not None and widths == {width + 1} else None


def cells_of_records(records: Sequence[Any], names: Sequence[str], label: str | None) -> list[Any] | None:
    """Return the cells of records that have these names, and perhaps the label."""
    wanted = set(names)
    for keys in map(set, set(map(tuple, records))):
        if keys == {"features"} or not wanted <= keys <= {*wanted, label}:
            return None
    return [[record[name] for name in names] for record in records]
