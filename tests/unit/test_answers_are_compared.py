"""Two answers are alike if they say the same: floats within a tolerance, and types as they are."""

import numpy as np
import pytest

from builders import npy
from serving.inference import InferenceResponse
from serving.likeness import alike, differ, values_of

JSON, CSV, NPY, OTHER = "application/json", "text/csv", "application/x-npy", "application/pdf"


def answer(body, content_type=JSON, **more):
    return InferenceResponse(body.encode() if isinstance(body, str) else body, content_type, **more)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (answer("[1.5]"), answer("[1.5]")),
        (answer("[1.5]"), answer("[1.5000000001]")),
        (answer("[NaN]"), answer("[ NaN ]")),
        (answer("1.5,a\n", CSV), answer("1.50,a\n", CSV)),
        (answer('{"a": [1, {"b": 0.1}]}'), answer('{"a": [1, {"b": 0.10000000001}]}')),
        (answer("[1.5]", f"{JSON}; charset=utf-8"), answer("[1.5000000001]", f"{JSON}; charset=utf-8")),
        (answer(npy(np.array([1.5])), NPY), answer(npy(np.array([1.5 + 1e-12])), NPY)),
        (answer("%PDF", OTHER), answer("%PDF", OTHER)),
    ],
)
def test_answers_that_say_the_same_are_alike(one, other):
    assert alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (answer("[1.5]"), answer("[1.6]")),
        (answer("[1.5]"), answer("[1.5, 1.5]")),
        (answer("[1]"), answer("[1.0]")),
        (answer("[1]"), answer("[true]")),
        (answer('["1"]'), answer("[1]")),
        (answer("[1.5]"), answer("[1.5]", CSV)),
        (answer("[1.5]"), answer("[1.5]", headers={"X-Colour": "red"})),
        (answer("[1.5]"), answer("[1.5]", rest=iter(()))),
        (answer("[1.5]"), answer("{")),
        (answer(npy(np.array([1.5])), NPY), answer(npy(np.array([1.5], np.float32)), NPY)),
        (answer(npy(np.array([1])), NPY), answer(npy(np.array([1.0])), NPY)),
        (answer("1.5", OTHER), answer("1.50", OTHER)),
    ],
)
def test_answers_that_do_not_are_not(one, other):
    assert not alike(one, other)


@pytest.mark.parametrize(
    ("one", "other", "tells"),
    [
        ("[1]", "[2]", True),
        ("[1]", "[1, 2]", True),
        ("[]", "[1]", True),
        ("[1]", "[1, 1]", False),
        ("[[0.3, 0.7]]", "[[0.3, 0.7], [0.3, 0.7]]", False),
        ('[{"label": "a"}]', '[{"label": "b"}]', True),
        ("[]", "[]", False),
    ],
)
def test_the_same_answer_about_more_rows_is_no_other_answer(one, other, tells):
    assert differ(values_of(answer(one)), values_of(answer(other))) is tells
