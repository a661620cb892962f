"""Predictions as bodies of the media types that need no code."""

import csv
import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from serving.array_text import csv_of, json_lines_of, json_of, numbers_of
from serving.errors import ModelFailed
from serving.media_types import ALIASES, CSV, JSON, JSON_LINES, NPY


def encode(prediction: Any, media_type: str, rows: int | None = None) -> bytes:
    """
    Return the prediction as a body of *media_type*.

    Args:
        prediction: array, DataFrame, SciPy sparse matrix or list, one entry for each row;
        media_type: one of `ENCODERS`, or another spelling of one;
        rows: how many rows were asked about, where that is known.

    Raises:
        ModelFailed: for a prediction that the type has no form for, or whose lines would not match the request's.
    """
    name = ALIASES.get(media_type, media_type)
    if rows is not None and name in LINE_TYPES and (found := rows_in(prediction)) != rows:
        raise ModelFailed(f"The model answered {rows} row(s) with {found}; each line must answer one row.")
    if not hasattr(prediction, "tolist") and hasattr(prediction, "toarray"):  # SciPy sparse
        prediction = prediction.toarray()
    return ENCODERS[name](prediction)


def encode_record(record: Any, media_type: str) -> bytes:
    """
    Return one prediction of a stream, with its line end; text and bytes are as the model wants them.

    Args:
        media_type: JSON Lines, CSV, or another spelling of one.
    """
    if isinstance(record, str | bytes | bytearray):
        return record.encode(errors="replace") if isinstance(record, str) else bytes(record)
    return encode([values_of(record)], media_type)


def rows_in(prediction: Any) -> int:
    """Return how many rows the prediction has; a lone value is one."""
    if (shape := getattr(prediction, "shape", None)) is not None:
        return int(shape[0]) if shape else 1
    return len(prediction) if isinstance(prediction, list | tuple) else 1


def values_of(prediction: Any) -> Any:
    """Return the prediction as plain lists, numbers and strings."""
    if hasattr(prediction, "to_numpy"):  # DataFrame, Series
        prediction = prediction.to_numpy()
    return prediction.tolist() if hasattr(prediction, "tolist") else prediction


def encode_csv(prediction: Any) -> bytes:
    """Write one line a row, with numbers in the shortest form that reads back the same."""
    numbers = numbers_of(prediction)
    return plain_csv(values_of(prediction)) if numbers is None else csv_of(numbers)


def plain_csv(values: Any) -> bytes:
    """Write what needs a CSV writer, such as texts."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        row if isinstance(row, list | tuple) else (row,) for row in each(values)
    )
    return text.getvalue().encode(errors="replace")


def encode_json(prediction: Any) -> bytes:
    """Write the predictions as one JSON value."""
    numbers = numbers_of(prediction)
    return dump_json(values_of(prediction)).encode(errors="replace") if numbers is None else json_of(numbers)


def encode_json_lines(prediction: Any) -> bytes:
    """Write one JSON value a line."""
    if (numbers := numbers_of(prediction)) is not None:
        return json_lines_of(numbers)
    return plain_json_lines(values_of(prediction))


def plain_json_lines(values: Any) -> bytes:
    """Write what is not all numbers."""
    return "".join(f"{dump_json(row)}\n" for row in each(values)).encode(errors="replace")


def encode_npy(prediction: Any) -> bytes:
    """Write what `numpy.save` writes, without pickling."""
    stream = io.BytesIO()
    try:
        np.save(stream, np.asarray(prediction), allow_pickle=False)
    except ValueError:
        raise ModelFailed("The prediction is no plain array and cannot be sent as application/x-npy.") from None
    return stream.getvalue()


def each(values: Any) -> Iterable[Any]:
    """Return the rows of a prediction; a lone value is one row."""
    return values if isinstance(values, list | tuple) else [values]


def dump_json(value: Any) -> str:
    """Write JSON; NaN and infinities, for which JSON has no word, become null."""
    try:
        try:
            return json.dumps(value, allow_nan=False, ensure_ascii=False, default=python_value)
        except ValueError:
            return json.dumps(without_nan(value), ensure_ascii=False, default=python_value)
    except TypeError as error:
        raise ModelFailed(f"The prediction cannot be written as JSON: {error!s:.200}.") from None


def python_value(value: Any) -> Any:
    """Return a NumPy number or array, inside a list or a dict, as what `json` knows."""
    if isinstance(value, np.generic | np.ndarray) and not isinstance(found := value.tolist(), type(value)):
        return found
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def without_nan(value: Any) -> Any:
    """Return *value* with every float that is not finite replaced by None."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value


LINE_TYPES = (JSON_LINES, CSV)
ENCODERS: dict[str, Callable[[Any], bytes]] = {
    JSON: encode_json,
    CSV: encode_csv,
    JSON_LINES: encode_json_lines,
    NPY: encode_npy,
}
