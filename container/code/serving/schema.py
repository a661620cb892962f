"""What a model takes in: named columns, a matrix, or texts; and the assembly of decoded rows into that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.cells import columns_of, matrix_of, text_of
from serving.csv_text import CsvText
from serving.errors import BadRequest, StartError
from serving.fast_cells import cells_in, frame_in
from serving.manifest import FILE_NAME, Manifest

Rows = Sequence[Any] | NDArray[Any]


@dataclass(frozen=True)
class Column:
    """A named column; `numeric` is None where only the values can tell."""

    name: str
    numeric: bool | None


@dataclass(frozen=True)
class InputSchema:
    """
    The shape of a request.

    Attributes:
        kind: `table` (a DataFrame with these columns), `matrix` (floats) or `text` (a list of strings).
        columns: the columns of a table, in order.
        width: the number of columns, None when any number will do.
        label: the name of a last column that a caller may send along and that is dropped.
    """

    kind: Literal["table", "matrix", "text"]
    columns: tuple[Column, ...] = ()
    width: int | None = None
    label: str | None = None

    @property
    def names(self) -> list[str]:
        """Return the names of the columns; a matrix has none."""
        return [column.name for column in self.columns]

    @cached_property
    def index(self) -> pd.Index:
        """Return the names as a DataFrame has them."""
        return pd.Index(self.names)

    @property
    def types_are_guessed(self) -> bool:
        """Tell whether a column's type depends on which values are sent together."""
        return any(column.numeric is None for column in self.columns)

    def assemble(self, rows: Rows) -> Any:
        """
        Turn decoded *rows* into the model's input.

        Returns:
            DataFrame (rows, columns), float64 array (rows, columns) or list of strings.

        Raises:
            BadRequest: naming the row and column that do not fit.
        """
        if len(rows) == 0:
            raise BadRequest("The body holds no rows.")
        if isinstance(rows, np.ndarray) and self.kind == "matrix":
            return self.matrix_from(rows)
        if self.kind == "text":
            return [text_of(row, number) for number, row in enumerate(rows, 1)]
        if isinstance(rows, CsvText) and (data := self.read_at_once(rows)) is not None:
            return data
        cells = self.cells_in(rows)
        if self.kind == "table":
            return self.frame_of(cells)
        self.refuse_ragged(cells)
        return matrix_of(cells)

    def read_at_once(self, text: CsvText) -> Any:
        """Return the model's input from a whole body, None where rows have to be looked at one by one."""
        if self.kind == "matrix":
            return text.matrix(self.width, self.label)
        if type(self) is not InputSchema:  # a subclass makes something else of its cells
            return None
        columns = text.table([column.numeric for column in self.columns], self.label)
        return None if columns is None else frame_in(columns, self.index)

    def cells_in(self, rows: Rows) -> list[Sequence[Any]]:
        """Return every row's cells in the order of the columns, without the label."""
        if isinstance(rows, CsvText) and (misfit := rows.first_misfit(self.width, self.label)):
            raise BadRequest(self.misfit(*misfit))
        rows = list(rows)
        cells = cells_in(rows, self.names, self.width, self.label)
        return cells or [self.cells_of(row, number) for number, row in enumerate(rows, 1)]

    def cells_of(self, row: Any, number: int) -> Any:
        """Return the row's cells in the order of the columns, without the label."""
        if isinstance(row, Mapping):
            row = row["features"] if set(row) == {"features"} else self.cells_by_name(row, number)
        if not isinstance(row, list | tuple | np.ndarray):
            raise BadRequest(f"Row {number} is not a list of values{self.or_an_object()}.")
        if self.width is None or len(row) == self.width:
            return row
        if self.label is not None and len(row) == self.width + 1:
            return row[:-1]
        raise BadRequest(self.misfit(number, len(row)))

    def misfit(self, number: int, found: int) -> str:
        """Return the message for a row of the wrong width."""
        also = f" (or {self.width + 1} with {self.label!r} as the last)" if self.width and self.label else ""
        return f"Row {number} has {found} columns; the model takes {self.width}{also}."

    def cells_by_name(self, record: Mapping[str, Any], number: int) -> list[Any]:
        """Return the cells of a record such as `{"sex": "M", ...}`."""
        if not self.columns:
            raise BadRequest(f"Row {number} is an object, but the model's columns have no names: send lists.")
        names = self.names
        if missing := [name for name in names if name not in record]:
            raise BadRequest(f"Row {number} has no column {', '.join(map(repr, missing))}.")
        if unknown := set(record) - set(names) - {self.label}:
            names_list = ", ".join(map(repr, names))
            raise BadRequest(f"Row {number} has {len(unknown)} unknown column(s); the model takes {names_list}.")
        return [record[name] for name in names]

    def or_an_object(self) -> str:
        """Return what else a row may be, for messages."""
        return " or an object with column names" if self.columns else ""

    def frame_of(self, cells: list[Sequence[Any]]) -> pd.DataFrame:
        """Return the DataFrame (rows, columns) that the model was fitted on."""
        columns = columns_of(list(zip(*cells, strict=True)), self.names, [column.numeric for column in self.columns])
        return frame_in(columns, self.index)

    def matrix_from(self, array: NDArray[Any]) -> NDArray[np.float64]:
        """Return an array (rows, columns) as float64, without the label; no cell is looked at."""
        width = len(self.cells_of(array[0], 1))
        return np.asarray(array[:, :width], dtype=np.float64)

    def refuse_ragged(self, cells: list[Sequence[Any]]) -> None:
        """Raise `BadRequest` when rows differ in length, which only a matrix of any width can have."""
        for number, row in enumerate(cells, 1):
            if len(row) != len(cells[0]):
                raise BadRequest(f"Row {number} has {len(row)} columns; row 1 has {len(cells[0])}.")


def schema_of(manifest: Manifest, model: Any) -> InputSchema:
    """Return the manifest's input schema, or else what the fitted *model* says of itself."""
    if manifest.input:
        return schema_from_manifest(manifest)
    if (names := getattr(model, "feature_names_in_", None)) is not None:
        columns = tuple(Column(str(name), None) for name in names)
        return InputSchema("table", columns, len(columns))
    if takes_text(model):
        return InputSchema("text")
    return InputSchema("matrix", width=matrix_width(model))


def schema_from_manifest(manifest: Manifest) -> InputSchema:
    """Return the schema that the manifest spells out."""
    kind = manifest.input.get("type", "table")
    label = manifest.input.get("label")
    try:
        columns = tuple(
            Column(column["name"], {"number": True, "string": False}[column["type"]])
            for column in manifest.input.get("columns", ())
        )
        if kind not in ("table", "matrix", "text"):
            raise KeyError(kind)
    except (KeyError, TypeError) as problem:
        raise StartError(
            f"{FILE_NAME} describes an input that does not exist: {problem}. Use type table, matrix or text, "
            'and columns as {"name": ..., "type": "number" or "string"}.'
        ) from None
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise StartError(f"{FILE_NAME} describes the same column twice: {', '.join(names)}. Give each its own name.")
    if kind == "table" and not columns:
        raise StartError(f"{FILE_NAME} describes a table without columns: list them, or leave the input to the model.")
    return InputSchema(kind, columns, len(columns) or None, label)


def takes_text(model: Any) -> bool:
    """Tell whether the model is a text vectorizer, or a scikit-learn pipeline that begins with one."""
    steps = getattr(model, "steps", None)
    return hasattr(steps[0][1] if steps else model, "build_analyzer")


def matrix_width(model: Any) -> int | None:
    """Return how many columns the model was fitted on, if it says so."""
    if callable(num_features := getattr(model, "num_features", None)):  # xgboost.Booster
        return int(num_features())
    width = getattr(model, "n_features_in_", None)
    return None if width is None else int(width)
