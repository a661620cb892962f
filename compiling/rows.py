"""Rows to compare two models on: near what the samples and the fitted model know, and at the edges of its steps."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from compiling.comparison import Predict, Refusals, Row, is_numeric
from serving.schema import InputSchema

SEED = 42
MISSING_SHARE = 0.05
EDGES_SHARE = 0.4  # of the rows
HALVINGS = 70  # after that the two ends are neighbours, wherever they began

Values = Sequence[Sequence[Any]]  # known values, for each column


class Perturbed:
    """Makes rows of values that were seen, values near them and missing ones, always the same."""

    def __init__(self, schema: InputSchema, values: Values, refusals: Refusals) -> None:
        """Take, for each column, values to begin with, and what the original refuses."""
        self._numeric = [is_numeric(schema, place) for place in range(len(values))]
        self._values = values
        self._may_be_missing = refusals.may_be_missing
        self._largest = min((limit for limit in refusals.limits if limit is not None), default=np.inf)
        self._chance = np.random.default_rng(SEED)

    def rows(self, count: int) -> list[Row]:
        """Return *count* rows."""
        return [[self.cell(place) for place in range(len(self._values))] for _ in range(count)]

    def cell(self, place: int) -> Any:
        """Return a value for the column at *place*."""
        if self._may_be_missing[place] and self._chance.random() < MISSING_SHARE:
            return None
        known = self._values[place]
        if not self._numeric[place]:
            return known[int(self._chance.integers(len(known)))]
        return float(np.clip(self.number(known), -self._largest, self._largest))

    def number(self, known: Sequence[float]) -> float:
        """Return a known value, a neighbour of one, one between two, or one anywhere."""
        chance = self._chance
        value = known[int(chance.integers(len(known)))]
        kind = chance.integers(5)
        if kind == 0:
            return value
        if kind == 1:
            return float(np.nextafter(value, chance.choice([-np.inf, np.inf])))
        if kind == 2:
            return float(np.nextafter(np.float32(value), np.float32(chance.choice([-np.inf, np.inf]))))
        if kind == 3:
            return float(chance.uniform(min(known), max(known)))
        return float(chance.choice([-1, 1]) * 10 ** chance.uniform(-6, 4))

    def edges(self, count: int, predict: Predict) -> list[Row]:
        """
        Return pairs of rows that differ in one number, by as little as numbers can, and on which *predict* differs.

        That is where a tree decides. They are found by halving, all pairs at once; of a model without steps, or
        where two rows get the same answer, the pair is any two neighbours.
        """
        numbers = [place for place, numeric in enumerate(self._numeric) if numeric]
        if not numbers or count < 2:
            return []
        ones = self.rows(count // 2)
        places = [int(place) for place in self._chance.choice(numbers, len(ones))]
        low = np.array([self.number(self._values[place]) for place in places])
        high = np.array([self.number(self._values[place]) for place in places])
        first = predict(with_numbers(ones, places, low))
        for _ in range(HALVINGS):
            middle = low + (high - low) / 2
            same = [
                alike(one, other) for one, other in zip(first, predict(with_numbers(ones, places, middle)), strict=True)
            ]
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return [*with_numbers(ones, places, low), *with_numbers(ones, places, high)]


def with_numbers(rows: Sequence[Row], places: Sequence[int], numbers: Any) -> list[Row]:
    """Return the rows, each with one number replaced."""
    return [
        [*row[:place], float(number), *row[place + 1 :]]
        for row, place, number in zip(rows, places, numbers, strict=True)
    ]


def alike(one: Any, other: Any) -> bool:
    """Tell whether two answers to a row are the same."""
    return bool(np.array_equal(one, other))
