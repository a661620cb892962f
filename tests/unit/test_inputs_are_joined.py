"""Inputs of one kind are joined row for row, and predictions split again into what each would have had alone."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from serving.joining import Inseparable, join, kind_of, rows_of, split

FRAME = pd.DataFrame({"sex": pd.array(["M", None], dtype="str"), "length": [0.5, np.nan]})
CASES = {
    "matrix": [np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, np.nan]])],
    "vector": [np.array([1, 2]), np.array([3])],
    "cube": [np.zeros((1, 2, 3)), np.ones((2, 2, 3))],
    "frame": [FRAME, FRAME.iloc[:1]],
    "list": [["a", "b"], ["c"]],
    "csr": [sparse.csr_matrix([[0.0, 1.0]]), sparse.csr_matrix([[2.0, 0.0], [0.0, 0.0]])],
    "csr array": [sparse.csr_array([[0.0, 1.0]]), sparse.csr_array([[2.0, 0.0]])],
    "coo": [sparse.coo_matrix([[0.0, 1.0]]), sparse.coo_matrix([[2.0, 0.0]])],
}


def plain(data):
    """Return *data* as something that can be compared, NaN included."""
    if hasattr(data, "toarray"):
        data = data.toarray()
    return repr(data.to_dict("list") if isinstance(data, pd.DataFrame) else list(data))


@pytest.mark.parametrize("inputs", CASES.values(), ids=CASES)
def test_what_is_joined_and_split_again_is_what_it_was(inputs):
    """Types, dtypes and columns included: a model must see no difference, nor must who gets the answer."""
    assert len({kind_of(one) for one in inputs}) == 1
    whole = join(inputs)
    assert rows_of(whole) == sum(map(rows_of, inputs))
    parts = list(split(whole, [rows_of(one) for one in inputs]))
    for part, one in zip(parts, inputs, strict=True):
        assert plain(part) == plain(one)
        assert getattr(part, "dtype", None) == getattr(one, "dtype", None)
        assert list(getattr(part, "columns", ())) == list(getattr(one, "columns", ()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros((1, 2)), np.zeros((1, 3))),
        (np.zeros((1, 2)), np.zeros((1, 2), dtype=np.float32)),
        (np.zeros(2), np.zeros((2, 1))),
        (FRAME, FRAME[["length", "sex"]]),
        (FRAME, FRAME.astype({"length": "float32"})),
        (["a"], np.array(["a"])),
        (sparse.csr_matrix((1, 2)), sparse.csr_matrix((1, 3))),
        (sparse.csr_matrix((1, 2)), sparse.csc_matrix((1, 2))),
    ],
)
def test_what_differs_in_kind_is_not_joined(one, other):
    assert kind_of(one) != kind_of(other)


@pytest.mark.parametrize("data", ["text", 3, {"a": 1}, np.array(3.0), FRAME.set_index("sex"), FRAME.iloc[1:], object()])
def test_what_has_no_rows_or_whose_rows_have_names_is_joined_with_nothing(data):
    assert kind_of(data) is None


@pytest.mark.parametrize(
    ("prediction", "reason"),
    [
        ([1, 2], "3 rows were asked about, and 2 answered"),
        (np.zeros((4, 1)), "3 rows were asked about, and 4 answered"),
        ("abc", "of type str, which has no rows"),
        ({"a": 1, "b": 2, "c": 3}, "of type dict, which has no rows"),
        (np.array(1.0), "of type ndarray, which has no rows"),
        (None, "of type NoneType, which has no rows"),
    ],
)
def test_a_prediction_that_is_not_a_row_for_each_row_is_not_split(prediction, reason):
    with pytest.raises(Inseparable, match=reason):
        split(prediction, [1, 2])


def test_a_series_is_split_into_series():
    first, second = split(pd.Series([1.5, 2.5, 3.5]), [1, 2])
    assert (first.tolist(), second.tolist(), second.index.tolist()) == ([1.5], [2.5, 3.5], [0, 1])


def test_a_tuple_may_be_two_predictions_and_is_not_split():
    with pytest.raises(Inseparable, match="of type tuple, which has no rows"):
        split((np.zeros(2), np.ones(2)), [1, 1])


@pytest.mark.parametrize("data", [np.zeros((0, 2)), FRAME.iloc[:0], [], sparse.csr_matrix((0, 2))])
def test_what_has_no_rows_is_joined_with_nothing(data):
    """It is an error, and its own caller's."""
    assert kind_of(data) is None


def test_what_is_more_than_an_array_or_a_frame_would_lose_it():
    masked = np.ma.masked_array([[1.0]], mask=[[True]])
    described = FRAME.copy()
    described.attrs["units"] = "mm"
    assert kind_of(masked) is None
    assert kind_of(described) is None


def test_frames_with_categories_are_joined_with_nothing():
    """Joined, their codes may be others, and a model may read codes."""
    frames = [pd.DataFrame({"a": pd.Categorical(["x"], categories=order)}) for order in (["x", "y"], ["y", "x"])]
    assert [kind_of(frame) for frame in frames] == [None, None]
