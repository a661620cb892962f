"""Predictions become bodies: every container that models return, in every media type, without losing a digit."""

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from builders import from_npy
from serving.encoders import encode
from serving.errors import ModelFailed
from serving.media_types import CSV, JSON, JSON_LINES, NPY

THIRD = 1 / 3
PAIR = [[1.5, 2.0], [3.0, 4.25]]


def as_json(prediction: Any) -> Any:
    return json.loads(encode(prediction, JSON))


@pytest.mark.parametrize(
    ("prediction", "csv", "jsonl", "values"),
    [
        (np.array([0.1, THIRD]), b"0.1\n0.3333333333333333\n", b"0.1\n0.3333333333333333\n", [0.1, THIRD]),
        (np.array([1, -2]), b"1\n-2\n", b"1\n-2\n", [1, -2]),
        (np.array([True, False]), b"True\nFalse\n", b"true\nfalse\n", [True, False]),
        (np.array(["yes", "nö"]), "yes\nnö\n".encode(), '"yes"\n"nö"\n'.encode(), ["yes", "nö"]),
        (np.array(PAIR), b"1.5,2.0\n3.0,4.25\n", b"[1.5, 2.0]\n[3.0, 4.25]\n", PAIR),
        ([1.5, 2.0], b"1.5\n2.0\n", b"1.5\n2.0\n", [1.5, 2.0]),
        (PAIR, b"1.5,2.0\n3.0,4.25\n", b"[1.5, 2.0]\n[3.0, 4.25]\n", PAIR),
        (pd.Series([1.5, 2.0]), b"1.5\n2.0\n", b"1.5\n2.0\n", [1.5, 2.0]),
        (pd.DataFrame(PAIR, columns=["a", "b"]), b"1.5,2.0\n3.0,4.25\n", b"[1.5, 2.0]\n[3.0, 4.25]\n", PAIR),
        (sparse.csr_matrix(PAIR), b"1.5,2.0\n3.0,4.25\n", b"[1.5, 2.0]\n[3.0, 4.25]\n", PAIR),
        (sparse.coo_array(PAIR), b"1.5,2.0\n3.0,4.25\n", b"[1.5, 2.0]\n[3.0, 4.25]\n", PAIR),
        (np.float64(2.5), b"2.5\n", b"2.5\n", 2.5),
        (3, b"3\n", b"3\n", 3),
        ("yes", b"yes\n", b'"yes"\n', "yes"),
        ([], b"", b"", []),
    ],
    ids=[
        "floats",
        "integers",
        "booleans",
        "texts",
        "two dimensions",
        "list",
        "list of lists",
        "Series",
        "DataFrame",
        "sparse matrix",
        "sparse array",
        "NumPy number",
        "number",
        "text",
        "nothing",
    ],
)
def test_a_prediction_is_written_in_every_type(prediction: Any, csv: bytes, jsonl: bytes, values: Any) -> None:
    assert encode(prediction, CSV) == csv
    assert encode(prediction, JSON_LINES) == jsonl
    assert as_json(prediction) == values
    assert from_npy(encode(prediction, NPY)).tolist() == values


def test_float32_reads_back_the_same_float32() -> None:
    prediction = np.array([0.1, 1 / 3, 7.0515532], np.float32)
    for body in (encode(prediction, CSV).split(), json.loads(encode(prediction, JSON))):
        assert np.array(body, np.float32).tolist() == prediction.tolist()
    found = from_npy(encode(prediction, NPY))
    assert (found.dtype, found.tolist()) == (np.float32, prediction.tolist())


def test_csv_quotes_what_needs_quotes() -> None:
    assert encode(['a,b "c"', "d\ne"], CSV) == b'"a,b ""c"""\n"d\ne"\n'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_json_has_no_word_for_is_null(value: float) -> None:
    assert encode(np.array([1.0, value]), JSON) == b"[1.0, null]"
    assert encode(np.array([[1.0, value]]), JSON) == b"[[1.0, null]]"
    assert encode({"scores": [value], "label": "a"}, JSON) == b'{"scores": [null], "label": "a"}'
    assert encode(np.array([1.0, value]), JSON_LINES) == b"1.0\nnull\n"


def test_nan_stays_nan_in_csv_and_npy() -> None:
    assert encode(np.array([1.0, np.nan]), CSV) == b"1.0\nnan\n"
    assert np.isnan(from_npy(encode(np.array([1.0, np.nan]), NPY))).tolist() == [False, True]


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        ({"label": "a", "scores": [0.5, 0.5]}, {"label": "a", "scores": [0.5, 0.5]}),
        ([{"label": "a"}, {"label": "b"}], [{"label": "a"}, {"label": "b"}]),
        ({"scores": np.array([0.5, 0.25])}, {"scores": [0.5, 0.25]}),
        ([np.float32(0.5), np.int64(2)], [0.5, 2]),
        ([{"label": np.str_("a"), "score": np.float32(0.5)}], [{"label": "a", "score": 0.5}]),
        ([np.array([1, 2]), np.array([3])], [[1, 2], [3]]),
        ({"scores": np.array([0.5, np.nan])}, {"scores": [0.5, None]}),
        ([float("nan"), np.float32("nan"), np.float32(0.5)], [None, None, 0.5]),
    ],
    ids=[
        "object",
        "objects",
        "array in an object",
        "NumPy numbers in a list",
        "NumPy values in objects",
        "arrays in a list",
        "NaN in an array in an object",
        "NaN of both kinds",
    ],
)
def test_numpy_values_inside_objects_and_lists_are_written_as_json(prediction: Any, expected: Any) -> None:
    """As AWS's own encoders do: a `predict_fn` often returns a dict of arrays."""
    assert as_json(prediction) == expected


def test_objects_are_written_one_a_line() -> None:
    assert encode([{"a": 1}, {"a": 2}], JSON_LINES) == b'{"a": 1}\n{"a": 2}\n'
    assert encode({"a": 1}, JSON_LINES) == b'{"a": 1}\n'


@pytest.mark.parametrize("media_type", [JSON, JSON_LINES])
@pytest.mark.parametrize(
    "prediction", [[object()], {"a": {1, 2}}, [b"bytes"], [1 + 2j], [Decimal(1)], [float("nan"), object()]]
)
def test_what_is_no_json_fails_with_a_message(prediction: Any, media_type: str) -> None:
    with pytest.raises(ModelFailed, match=r"^The prediction cannot be written as JSON: ") as caught:
        encode(prediction, media_type)
    assert (caught.value.status, caught.value.code) == (500, "model_failed")


@pytest.mark.parametrize(
    "prediction",
    [np.array([1, None], object), [{"a": 1}], [["a"], ["b", "c"]], None, pd.DataFrame({"a": [1], "b": ["x"]})],
    ids=["object array", "objects", "ragged", "None", "mixed DataFrame"],
)
def test_what_is_no_plain_array_is_never_pickled(prediction: Any) -> None:
    with pytest.raises(ModelFailed) as caught:
        encode(prediction, NPY)
    message = "The prediction is no plain array and cannot be sent as application/x-npy."
    assert (caught.value.status, caught.value.message) == (500, message)


@pytest.mark.parametrize("media_type", [CSV, JSON, JSON_LINES])
def test_half_a_surrogate_pair_is_no_reason_to_crash(media_type: str) -> None:
    """A text that was cut inside an emoji, and came in as JSON, may come out again."""
    with suppress(ModelFailed):  # to say so is as good
        encode(["cut \ud83d"], media_type)
