"""Medians over rounds, and ratios within them."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

Row = Mapping[str, object]


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that *share* of all are not above (nearest rank); NaN of nothing."""
    if not ordered:
        return math.nan
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def middle(values: Iterable[float]) -> float:
    """Return the median of the numbers that are there; NaN if there is none."""
    known = [value for value in values if not math.isnan(value)]
    return median(known) if known else math.nan


def ratio(rows: Iterable[Row], field: str, one: Callable[[Row], bool], other: Callable[[Row], bool]) -> float:
    """
    Return the median, over the rounds, of *field* of the one row divided by that of the other.

    Both were measured within minutes of each other, so what slows the whole machine for a while cancels out.
    """
    by_round: dict[object, dict[str, float]] = {}
    for row in rows:
        for name, wanted in (("one", one), ("other", other)):
            if wanted(row):
                by_round.setdefault(row["round"], {})[name] = float(str(row[field]))
    pairs = [pair for pair in by_round.values() if len(pair) == 2 and pair["other"]]
    return middle(pair["one"] / pair["other"] for pair in pairs)
