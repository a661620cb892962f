"""The compiled model against the original: what both refuse, and by how much their answers differ."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.errors import StartError
from serving.schema import InputSchema

SMALL = 1e-3  # differences are relative, but for numbers below it, of which the samples' replay is as lenient
BEYOND_SINGLE = 1e39  # too large for single precision, in which trees compare
NUDGE = 1e-12  # relative: more than rounding moves a border, and far less than single precision would
UNSEEN = "a text that was never seen"

Row = list[Any]  # its cells; of a model of texts the text
Predict = Callable[[list[Row]], Any]


class Refusals(NamedTuple):
    """What the original refuses: numbers beyond its limits (None: it has none), and columns that may not be missing."""

    limits: list[float | None]
    needed: list[int]
    may_be_missing: list[bool]
    may_be_unseen: list[bool]
    rows: list[Row]


def answer_or_none(predict: Predict, rows: list[Row]) -> Any:
    """Return the answers, or None where the model refuses the rows, as the server would."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as of unknown categories
        try:
            return dense(predict(rows))
        except ValueError:
            return None


def dense(answers: Any) -> NDArray[Any]:
    """Return the answers as an array."""
    if hasattr(answers, "toarray"):
        answers = answers.toarray()
    return np.asarray(answers)


def refusals_of(predict: Predict, schema: InputSchema, row: Row) -> Refusals:
    """Find out what the original refuses, by asking it about *row* with one cell changed at a time."""

    def takes(place: int, *values: Any) -> bool:
        return answer_or_none(predict, [changed(row, place, value) for value in values]) is not None

    places = range(len(row))
    numeric = [is_numeric(schema, place) for place in places]
    may_be_missing = [schema.kind != "text" and takes(place, None) for place in places]
    order = [place for place in places if numeric[place]]
    return Refusals(
        limits=[limit_of(partial(takes_size, takes, place)) for place in order],
        needed=[number for number, place in enumerate(order) if not may_be_missing[place]],
        may_be_missing=may_be_missing,
        may_be_unseen=[not numeric[place] and takes(place, UNSEEN) for place in places],
        rows=[changed(row, place, value) for place in places for value in extremes(schema, place)],
    )


def extremes(schema: InputSchema, place: int) -> list[Any]:
    """Return the values of a column that a model is most likely to refuse."""
    if schema.kind == "text":
        return []
    return [None, np.inf, -np.inf, BEYOND_SINGLE] if is_numeric(schema, place) else [None, UNSEEN]


def changed(row: Row, place: int, value: Any) -> Row:
    """Return the row with one cell changed."""
    return [*row[:place], value, *row[place + 1 :]]


def takes_size(takes: Callable[..., bool], place: int, size: float) -> bool:
    """Tell whether a number of this size is taken, with either sign."""
    return takes(place, size, -size)


def limit_of(takes: Callable[[float], bool]) -> float | None:
    """Return the largest size of number that is taken, None if infinity is; halve between their bits."""
    if takes(np.inf):
        return None
    low, high = 0, int(np.float64(np.inf).view(np.int64))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if takes(float(np.int64(middle).view(np.float64))) else (low, middle)
    return float(np.int64(low).view(np.float64))


def largest_difference(original: Predict, compiled: Predict, rows: list[Row]) -> float:
    """Return the largest relative difference; raise `StartError` when only one of them refuses a row."""
    expected, found = answer_or_none(original, rows), answer_or_none(compiled, rows)
    if expected is not None and found is not None:
        if are_labels(expected, found):
            found = without_borderline(original, rows, expected, found)
        return difference(expected, found)
    if len(rows) > 1:
        half = len(rows) // 2
        return max(largest_difference(original, compiled, part) for part in (rows[:half], rows[half:]))
    if expected is None and found is None:
        return 0.0
    which = "original" if expected is None else "compiled form"
    raise StartError(f"Only the {which} refuses this row: {shown(rows[0])}.")


def are_labels(expected: NDArray[Any], found: NDArray[Any]) -> bool:
    """Tell whether the answers are one text or one whole number for each row."""
    return expected.shape == found.shape == (len(expected),) and expected.dtype.kind not in "fc"


def difference(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Return the largest relative difference, infinity between labels or shapes that are not the same."""
    if expected.shape != found.shape:
        return np.inf
    if expected.dtype.kind not in "fiu" or found.dtype.kind not in "fiu":
        return 0.0 if np.array_equal(expected.astype(object), found.astype(object)) else np.inf
    with np.errstate(all="ignore"):
        size = np.maximum(np.maximum(np.abs(expected), np.abs(found)), SMALL)
        differences = np.abs(expected.astype(np.float64) - found) / size
    same = (expected == found) | (np.isnan(expected.astype(np.float64)) & np.isnan(found.astype(np.float64)))
    worst = np.where(same, 0.0, np.nan_to_num(differences, nan=np.inf))
    return float(worst.max(initial=0.0))


def without_borderline(original: Predict, rows: list[Row], expected: NDArray[Any], found: NDArray[Any]) -> NDArray[Any]:
    """
    Return *found* with the expected label for each row on the border between two labels.

    A sum of products has no last digit that could be relied on, and on the border it decides. A row is there if the
    original itself gives the label that was found once a number is moved by `NUDGE` of itself.
    """
    mended = found.astype(object)
    for place in np.flatnonzero(expected != found):
        near = [changed(rows[place], cell, moved) for cell, moved in nudged(rows[place])]
        answers = answer_or_none(original, near) if near else None
        if answers is not None and found[place] in answers:
            mended[place] = expected[place]
    return mended.astype(found.dtype)


def nudged(row: Row) -> Iterator[tuple[int, float]]:
    """Yield, for each number of the row, its place and what it is when it is moved a little, either way."""
    for place, cell in enumerate(row):
        if isinstance(cell, int | float) and math.isfinite(cell):
            yield place, cell * (1 + NUDGE)
            yield place, cell * (1 - NUDGE)


def worst_row(original: Predict, compiled: Predict, rows: Sequence[Row]) -> str:
    """Return the row on which the two differ most, with both answers."""
    asked = [(row, answer_or_none(original, [row]), answer_or_none(compiled, [row])) for row in rows]
    both = [(row, one, other) for row, one, other in asked if one is not None and other is not None]
    row, expected, found = max(both, key=lambda answered: difference(*answered[1:]))
    return f"for {shown(row)} it is {expected.tolist()!s:.80} and {found.tolist()!s:.80}"


def shown(row: Row) -> str:
    """Return a row for a message; it was made here and is nobody's secret."""
    return f"{row!r:.300}"


def is_numeric(schema: InputSchema, place: int) -> bool:
    """Tell whether the column holds numbers."""
    return schema.kind == "matrix" or (schema.kind == "table" and bool(schema.columns[place].numeric))
