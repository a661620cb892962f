"""The input of a compiled model: one array of all numbers and one of all texts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.cells import number_of, plain_column, text_in
from serving.fast_cells import floats_in
from serving.schema import Column, InputSchema

NUMBERS, TEXTS = "numbers", "texts"  # (rows, columns) each


@dataclass(frozen=True)
class PackedTable(InputSchema):
    """A table that becomes one array of numbers and one of texts; a missing text is an empty one."""

    def frame_of(self, cells: list[Sequence[Any]]) -> Any:
        """Return `numbers` (rows, columns) and `texts` (rows, columns), each if there are such columns."""
        numeric = [place for place, column in enumerate(self.columns) if column.numeric]
        textual = [place for place, column in enumerate(self.columns) if not column.numeric]
        packed: dict[str, NDArray[Any]] = {}
        if numeric:
            packed[NUMBERS] = self.numbers_in(cells, numeric)
        if textual:
            names = [(place, self.columns[place].name) for place in textual]
            texts = [
                text_in(row[place], name, number) or "" for number, row in enumerate(cells, 1) for place, name in names
            ]
            packed[TEXTS] = np.array(texts, dtype=object).reshape(len(cells), len(textual))
        return packed

    def numbers_in(self, cells: list[Sequence[Any]], places: list[int]) -> NDArray[np.float64]:
        """Return the numbers in these columns (rows, columns); raise `BadRequest` for the first that is none."""
        found = floats_in([row[place] for row in cells for place in places])
        if found is not None:
            return found.reshape(len(cells), len(places))
        try:
            numbers = [number_of(row[place]) for row in cells for place in places]
        except (TypeError, ValueError, OverflowError):
            for place, column in enumerate(self.columns):  # one by one, as in a table: the message is the same
                values = [row[place] for row in cells]
                plain_column(values, column.name, column.numeric)
            raise
        return np.array(numbers, dtype=np.float64).reshape(len(cells), len(places))


def packed_inputs(data: Any) -> dict[str, NDArray[Any]]:
    """Return the model's inputs by their names."""
    if isinstance(data, dict):
        return data
    if isinstance(data, list):
        return {TEXTS: np.array(data, dtype=object).reshape(-1, 1)}
    return {NUMBERS: data}


def described(schema: InputSchema) -> dict[str, Any]:
    """Return the schema as the manifest's entry has it."""
    return {**asdict(schema), "columns": [[column.name, column.numeric] for column in schema.columns]}


def schema_in(entry: Mapping[str, Any]) -> InputSchema:
    """Return the schema that the entry spells out."""
    parts = entry["input"]
    columns = tuple(Column(name, numeric) for name, numeric in parts["columns"])
    kind = PackedTable if parts["kind"] == "table" else InputSchema
    return kind(parts["kind"], columns, parts["width"], parts["label"])
