"""The inputs of several requests as one, and what the model predicts of it as theirs again, row for row."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np
import pandas as pd


class Inseparable(Exception):
    """A prediction that has no row for each row of the input."""


def kind_of(data: Any) -> Hashable:
    """
    Return what *data* can be joined with: inputs of the same kind. None if with nothing.

    That is so of what has no rows, and of subclasses: a mask, or whatever else they have more, would be lost.
    """
    if type(data) is np.ndarray:
        return ("array", data.dtype, data.shape[1:]) if data.ndim and len(data) else None
    if type(data) is pd.DataFrame:
        coded = any(isinstance(dtype, pd.CategoricalDtype) for dtype in data.dtypes)  # joined, codes may change
        plain = is_counted(data.index) and len(data) and not data.attrs and not coded
        return ("frame", tuple(data.columns), tuple(data.dtypes)) if plain else None
    if type(data) is list:
        return "list" if data else None
    if is_sparse(data) and data.shape[0]:
        return ("sparse", type(data), data.dtype, data.shape[1])
    return None


def is_counted(index: pd.Index) -> bool:
    """Tell whether rows are numbered from 0, so that nobody's index is lost when they are joined."""
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def is_sparse(data: Any) -> bool:
    """Tell a SciPy sparse matrix of rows and columns from everything else, without importing SciPy."""
    return hasattr(data, "tocsr") and hasattr(data, "shape") and len(data.shape) == 2


def rows_of(data: Any) -> int:
    """Return how many rows *data* has."""
    return int(data.shape[0]) if hasattr(data, "shape") else len(data)


def join(inputs: Any) -> Any:
    """Return inputs of one kind, one below the other."""
    first = inputs[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(inputs)
    if isinstance(first, pd.DataFrame):
        return pd.concat(inputs, ignore_index=True)
    if isinstance(first, list):
        return list(chain.from_iterable(inputs))
    from scipy import sparse

    return sparse.vstack(inputs, format=first.format, dtype=first.dtype)


def split(prediction: Any, counts: Sequence[int]) -> Iterator[Any]:
    """
    Yield the parts of *prediction* that answer the first `counts[0]` rows, the next `counts[1]`, and so on.

    Raises:
        Inseparable: at once, when it is not of a kind that has rows, or has another number of them.
    """
    cut = cutter_of(prediction)
    found, asked = rows_of(prediction), sum(counts)
    if found != asked:
        raise Inseparable(f"{asked} rows were asked about, and {found} answered")
    return (cut(slice(start, end)) for start, end in pairwise(accumulate(counts, initial=0)))


def cutter_of(prediction: Any) -> Callable[[slice], Any]:
    """Return what takes a slice of the rows of *prediction* and gives the same kind of thing."""
    if isinstance(prediction, pd.DataFrame | pd.Series):
        by_place: Any = prediction.iloc
        return lambda rows: by_place[rows].reset_index(drop=True)
    if isinstance(prediction, list) or (isinstance(prediction, np.ndarray) and prediction.ndim):
        return prediction.__getitem__
    if is_sparse(prediction):
        rows_first: Any = prediction.tocsr()
        return rows_first.__getitem__  # type: ignore[no-any-return]
    raise Inseparable(f"the prediction is of type {type(prediction).__name__}, which has no rows")
