"""The fast ways of writing a prediction write what the plain ones write: the plain ones are the definition."""

import itertools
import json
import random
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plain_codecs import plain_body
from serving.array_text import numbers_of
from serving.encoders import encode
from serving.media_types import CSV, JSON, JSON_LINES

DTYPES = ["<f8", ">f8", "<f4", "<f2", "<i8", ">i4", "i1", "u1", "<u8", "?", "<g"]
SIZES = [0.0, -0.0, 1e-4, 9.999e-5, 1e-5, 1.5e-7, 5e-324, 1e15, 9999999999999998.0, 1e16, 1e22, 1.7976931348623157e308]


def arrays(dtype: str, chance: random.Random) -> list[Any]:
    """Return arrays of every shape and stride that models return, with numbers that are spelled in every way."""
    found = []
    for rows, columns in [(1, None), (7, None), (9, None), (300, None), (1, 1), (1, 3), (5, 4), (100, 3), (40, 1)]:
        count = 2 * rows * (columns or 1)
        odd = chance.choice([0, 0.1, 0.3])
        values = [
            chance.choice([*SIZES, np.nan, np.inf]) if chance.random() < odd else chance.uniform(0, 99)
            for _ in range(count)
        ]
        with np.errstate(all="ignore"):
            array = np.array(values).astype(dtype)
        array = array[::2] if columns is None else array.reshape(2 * rows, columns)[::2]
        found += [array, np.ascontiguousarray(array), array.T]
    return found


def values_in(body: bytes, media_type: str) -> list[str]:
    """Return the values so that 0.0 and -0.0, 1 and 1.0 differ."""
    return [repr(json.loads(line)) for line in (body.split(b"\n")[:-1] if media_type == JSON_LINES else [body])]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_arrays_are_written_alike(dtype: str) -> None:
    for array in arrays(dtype, random.Random(dtype)):
        for prediction in (array, pd.DataFrame(array), pd.Series(array) if array.ndim == 1 else array):
            assert encode(prediction, CSV) == plain_body(prediction, CSV)
            for media_type in (JSON, JSON_LINES) if dtype != "<g" else ():
                written, plain = encode(prediction, media_type), plain_body(prediction, media_type)
                assert values_in(written, media_type) == values_in(plain, media_type)


def test_numbers_of_usual_size_are_spelled_as_python_spells_them() -> None:
    numbers = 10 ** np.random.default_rng(6).uniform(-4, 16, 100_000)
    for media_type, array in itertools.product((CSV, JSON, JSON_LINES), (numbers, numbers.reshape(-1, 4))):
        assert encode(array, media_type) == plain_body(array, media_type)


@pytest.mark.parametrize(
    "prediction",
    [
        [1.5, 2.0],
        1.5,
        np.float64(1.5),
        np.array(1.5),
        np.zeros(0),
        np.zeros((0, 2)),
        np.zeros((2, 0)),
        np.zeros((2, 2, 2)),
        np.array(["a"]),
        np.array([None, 1.5]),
        np.array([True]),
        np.array([1 + 2j]),
        np.ma.masked_array([1.5, 2.0], [True, False]),
        pd.DataFrame({"a": [1.5], "b": ["x"]}),
        pd.Series(["a"], dtype="category"),
    ],
    ids=repr,
)
def test_what_is_no_plain_array_of_numbers_is_left_to_the_plain_way(prediction: Any) -> None:
    assert numbers_of(prediction) is None
    if not isinstance(prediction, np.ndarray) or prediction.dtype.kind != "c":
        for media_type in (CSV, JSON, JSON_LINES):
            assert encode(prediction, media_type) == plain_body(prediction, media_type)
