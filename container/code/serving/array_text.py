"""Arrays of numbers as JSON, JSON Lines and CSV, by orjson: it writes a number in a tenth of the time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

NATIVE = {"f": np.float64, "i": np.int64, "u": np.uint64}
AS_ARRAY = orjson.OPT_SERIALIZE_NUMPY
FEW_NUMBERS = 12  # below, Python has written them before NumPy has looked at them: see benchmark/codecs.py
SMALLEST, LARGEST = 1e-4, 1e16  # from here to there Python writes no exponent, and orjson the same digits


def numbers_of(prediction: Any) -> NDArray[Any] | None:
    """Return the prediction as an array that orjson writes, None if it is not one of numbers, in rows."""
    if hasattr(prediction, "to_numpy"):  # DataFrame, Series
        prediction = prediction.to_numpy()
    if type(prediction) is not np.ndarray or prediction.ndim not in (1, 2) or not prediction.size:
        return None
    dtype = NATIVE.get(prediction.dtype.kind)
    return None if dtype is None or prediction.itemsize > 8 else np.ascontiguousarray(prediction, dtype)


def json_of(numbers: NDArray[Any]) -> bytes:
    """Return the array as one JSON value, spaced as `json` does it; NaN and infinities are null."""
    return orjson.dumps(numbers, option=AS_ARRAY).replace(b",", b", ")


def json_lines_of(numbers: NDArray[Any]) -> bytes:
    """Return one JSON value a row, each on a line."""
    rows = orjson.dumps(numbers, option=AS_ARRAY)[1:-1]
    if numbers.ndim == 1:
        return rows.replace(b",", b"\n") + b"\n"
    return rows.replace(b"],[", b"]\n[").replace(b",", b", ") + b"\n"


def csv_of(numbers: NDArray[Any]) -> bytes:
    """Return one line a row, every number as Python spells it."""
    texts, width = texts_of(numbers.ravel()), numbers.size // len(numbers)
    if width > 1:
        texts = [b",".join(texts[start : start + width]) for start in range(0, len(texts), width)]
    return b"\n".join(texts) + b"\n"


def texts_of(numbers: NDArray[Any]) -> list[bytes]:
    """Return each number as Python spells it."""
    if len(numbers) < FEW_NUMBERS:
        return [repr(number).encode() for number in numbers.tolist()]
    texts = orjson.dumps(numbers, option=AS_ARRAY)[1:-1].split(b",")
    for place in spelled_otherwise(numbers):
        texts[place] = repr(numbers[place].item()).encode()
    return texts


def spelled_otherwise(numbers: NDArray[Any]) -> Sequence[int]:
    """Return the places of the numbers that Python and orjson may write differently."""
    if numbers.dtype != np.float64:
        return ()
    sizes = np.abs(numbers)
    same = ((sizes >= SMALLEST) & (sizes < LARGEST)) | (sizes == 0)
    return np.flatnonzero(~same).tolist()
