"""CSV without quotes, read at once: a comma ends a cell, a line feed ends a row, and no cell needs a closer look."""

import io
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.fast_cells import floats_between_commas

MANY_ROWS = 1000  # from here on pandas is faster, whatever the width: see benchmark/codecs.py
LARGE = 1 << 20  # characters, from which on rows are not taken apart for nothing
COMMA, LINE_FEED = b",\n"
BOOLEANS = ("true", "false")  # pandas knows them in any case


class CsvText(Sequence[Any]):
    """The rows of a text, taken apart when they are asked for."""

    def __init__(self, text: str) -> None:
        """Take a text without quotes, empty lines and a last line end: see `simple_csv`."""
        self.text = text
        self._rows = text.count("\n") + 1

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._rows

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the rows' cells."""
        return (line.split(",") for line in self.text.split("\n"))

    def table(self, numeric: Sequence[bool | None], label: str | None) -> list[Any] | None:
        """Return the columns of many rows; None if it takes a closer look, or types have to be guessed."""
        if len(self) < MANY_ROWS or None in numeric:
            return None
        found = self.width
        if found is None or not takes(len(numeric), label, found):
            return None
        dtypes = [np.float64 if is_number else "str" for is_number in numeric]
        frame = self.columns(dict(enumerate(dtypes)), len(dtypes))
        if frame is None:
            return None
        # copied: pandas has put the numbers into one block, read-only for whoever asks for a part of it
        return [frame[place].to_numpy(copy=True) if one else frame[place].array for place, one in enumerate(numeric)]

    def __getitem__(self, place: Any) -> Any:
        """Return a row's cells, or those of several rows."""
        return list(self)[place]

    def matrix(self, width: int | None, label: str | None) -> NDArray[np.float64] | None:
        """Return float64 (rows, columns), without the label; None if it takes a closer look."""
        found = self.width
        if found is None or not takes(width, label, found):
            return None
        if len(self) >= MANY_ROWS:
            frame = self.columns(np.float64, width or found)
            return None if frame is None else np.array(frame.to_numpy(), order="C")
        numbers = floats_between_commas(self.text.replace("\n", ","))
        if numbers is None or len(numbers) != len(self) * found:
            return None
        return np.ascontiguousarray(numbers.reshape(-1, found)[:, :width])

    @property
    def width(self) -> int | None:
        """Return how many cells every row has, None if not all have the same number."""
        if len(self) >= MANY_ROWS:
            return self.width_of_many()
        found = set(map(str.count, self.text.split("\n"), repeat(",")))
        return found.pop() + 1 if len(found) == 1 else None

    def first_misfit(self, width: int | None, label: str | None) -> tuple[int, int] | None:
        """Return the number of the first row that is not of a model's *width*, and its width, if the text is large."""
        if len(self.text) <= LARGE or width is None:
            return None
        return next(((number, found) for number, found in self.widths() if not takes(width, label, found)), None)

    def widths(self) -> Iterator[tuple[int, int]]:
        """Yield each row's number and how many cells it has; to take it apart may take 80 times its memory."""
        start, count = 0, self.text.count
        for number in range(1, len(self) + 1):
            end = self.text.find("\n", start)
            yield number, 1 + (count(",", start, end) if end >= 0 else count(",", start))
            start = end + 1

    @property
    def first_width(self) -> int:
        """Return how many cells the first row has."""
        return self.text.partition("\n")[0].count(",") + 1

    def width_of_many(self) -> int | None:
        """Return the width without making a text of each row."""
        characters = np.frombuffer(self.text.encode(errors="replace"), dtype=np.uint8)
        ends = characters[(characters == COMMA) | (characters == LINE_FEED)]
        width = self.first_width
        if len(ends) + 1 != len(self) * width:
            return None
        return width if (ends[width - 1 :: width] == LINE_FEED).all() else None

    def columns(self, dtype: Any, width: int) -> pd.DataFrame | None:
        """Return the first *width* columns of rows that are all alike; None if pandas is in doubt."""
        try:
            frame = pd.read_csv(
                io.BytesIO(self.text.encode()),
                header=None,
                usecols=None if width == self.first_width else range(width),
                dtype=dtype,
                na_values=[""],
                keep_default_na=False,
                low_memory=False,  # in pieces, one of nothing but True would be read as numbers among others
            )
        except ValueError:
            return None
        # a line of spaces is a row, and pandas leaves it out
        return None if len(frame) != len(self) or self.may_hold_booleans() else frame

    def may_hold_booleans(self) -> bool:
        """Tell whether pandas may have read a column of True and False as numbers, which `float` does not."""
        text = self.text.lower()
        first = text.partition("\n")[0]
        begins_so = any(word in first for word in BOOLEANS) or "" in first.split(",")
        return begins_so and any(word in text for word in BOOLEANS)


def takes(width: int | None, label: str | None, found: int) -> bool:
    """Tell whether a model of *width* columns takes rows of *found* cells."""
    return width is None or found == width or (label is not None and found == width + 1)


def simple_csv(text: str) -> CsvText | None:
    """Return the rows of a text that needs no CSV reader, None of any other."""
    if '"' in text:
        return None
    if "\r" in text and "\r" in (text := text.replace("\r\n", "\n")):
        return None
    text = text.strip("\n")
    return CsvText(text) if text and "\n\n" not in text and not text.startswith("\ufeff") else None
