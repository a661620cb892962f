"""What a fitted scikit-learn model is made of, and which values its parts have learnt of each column."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

LEARNT = ("statistics_", "mean_", "center_", "data_min_", "data_max_")


def parts_of(model: Any) -> Iterator[Any]:
    """Yield the estimator and every estimator inside it, however deep."""
    if isinstance(model, BaseEstimator):
        yield model
        model = list(vars(model).values())
    if isinstance(model, dict):
        model = list(model.values())
    if isinstance(model, list | tuple):
        for part in model:
            yield from parts_of(part)


def learnt_values(model: Any, columns: Sequence[Any]) -> dict[Any, list[Any]]:
    """Return, for each of *columns*, the values that scalers, imputers and encoders have seen or made of it."""
    found: dict[Any, list[Any]] = {column: [] for column in columns}
    for part, own in parts_with_columns(model, columns):
        for name in LEARNT:
            for column, value in zip(own, values_of(part, name, len(own)), strict=False):
                found[column].append(value)
                found[column].extend(value + far * one for one in scale_of(part, own, column) for far in (-3, 3))
        for column, categories in zip(own, getattr(part, "categories_", []), strict=False):
            found[column].extend(categories)
    return found


def values_of(part: Any, name: str, width: int) -> list[Any]:
    """Return what *part* learnt under that name, if it is a value for each column."""
    learnt = getattr(part, name, None)
    return list(learnt) if learnt is not None and np.shape(learnt) == (width,) else []


def scale_of(part: Any, columns: Sequence[Any], column: Any) -> list[Any]:
    """Return how wide the column is spread, as far as *part* knows."""
    scales = values_of(part, "scale_", len(columns))
    return [scales[list(columns).index(column)]] if scales else []


def parts_with_columns(model: Any, columns: Sequence[Any]) -> Iterator[tuple[Any, Sequence[Any]]]:
    """Yield the parts that see the columns as they came, or filled and scaled, with the columns that they see."""
    if isinstance(model, Pipeline):
        for _, step in model.steps:
            yield from parts_with_columns(step, columns)
            if getattr(step, "n_features_in_", None) != len(columns) or isinstance(step, ColumnTransformer):
                return  # the next step's columns are others
    elif isinstance(model, ColumnTransformer):
        for _, part, chosen in model.transformers_:
            if isinstance(part, BaseEstimator):
                yield from parts_with_columns(part, names_of(chosen, columns))
    elif isinstance(model, BaseEstimator):
        yield model, columns


def names_of(chosen: Any, columns: Sequence[Any]) -> list[Any]:
    """Return the columns that a ColumnTransformer has chosen: by names, places, a slice or a mask."""
    if isinstance(chosen, slice) and not isinstance(chosen.start, str):
        return list(columns[chosen])
    several = [chosen] if isinstance(chosen, str | int) else list(np.asarray(chosen).tolist())
    if several and all(isinstance(one, bool) for one in several):
        return [column for column, wanted in zip(columns, several, strict=True) if wanted]
    return [one if isinstance(one, str) else columns[one] for one in several]
