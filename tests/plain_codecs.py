"""The codecs without a fast path, cell by cell: what the fast ones are measured against, and have to equal."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from builders import MATRIX, TABLE, TEXT
from serving.cells import plain_column, plain_matrix
from serving.charsets import text_from
from serving.decoders import csv_rows, decode
from serving.encoders import dump_json, plain_csv, plain_json_lines, values_of
from serving.errors import BadRequest, RequestError
from serving.json_values import parse_json, rows_in_json, rows_in_lines
from serving.media_types import CSV, JSON, JSON_LINES, parse_content_type
from serving.schema import Column, InputSchema

SCHEMAS = {
    "table": TABLE,
    "numbers": InputSchema("table", (Column("a", numeric=True), Column("b", numeric=True)), 2, "y"),
    "texts": InputSchema("table", (Column("a", numeric=False), Column("b", numeric=False)), 2),
    "guessed": InputSchema("table", (Column("a", None), Column("b", None)), 2, "y"),
    "one column": InputSchema("table", (Column("a", numeric=True),), 1),
    "features": InputSchema("table", (Column("features", numeric=True),), 1),
    "matrix": MATRIX,
    "labelled": InputSchema("matrix", width=2, label="y"),
    "any width": InputSchema("matrix"),
    "narrow": InputSchema("matrix", width=1),
    "text": TEXT,
}


def plain_rows(body: bytes, content_type: str) -> list[Any]:
    media_type = parse_content_type(content_type)
    if not body:
        raise BadRequest("The body is empty.")
    text = text_from(body, media_type.charset)
    if media_type.name == CSV:
        return csv_rows(text)
    return rows_in_lines(text) if media_type.name == JSON_LINES else rows_in_json(parse_json(text, "The body"))


def plain_input(rows: list[Any], schema: InputSchema) -> Any:
    if not rows or schema.kind == "text":
        return schema.assemble(rows)
    cells = [schema.cells_of(row, number) for number, row in enumerate(rows, 1)]
    if schema.kind == "matrix":
        schema.refuse_ragged(cells)
        return plain_matrix(cells)
    columns = zip(schema.columns, zip(*cells, strict=True), strict=True)
    return pd.DataFrame(
        {column.name: plain_column(values, column.name, column.numeric) for column, values in columns}, copy=False
    )


def plain_body(prediction: Any, media_type: str) -> bytes:
    values = values_of(prediction)
    if media_type == JSON:
        return dump_json(values).encode(errors="replace")
    return plain_csv(values) if media_type == CSV else plain_json_lines(values)


def bits(data: Any) -> Any:
    """Return what two inputs have alike when a model cannot tell them apart."""
    if isinstance(data, pd.DataFrame):
        columns = [(str(data[name].dtype), bits(data[name].to_numpy())) for name in data]
        layout = (data._mgr.nblocks, data.to_numpy().flags.writeable, data.columns.dtype, repr(data.index))
        return list(data.columns), columns, layout
    if isinstance(data, np.ndarray) and data.dtype == np.float64:
        return data.shape, data.flags.c_contiguous, data.flags.writeable, data.tobytes()
    return [None if pd.isna(cell) else (type(cell), cell) for cell in data]


def outcome(read: Callable[[], Any]) -> Any:
    try:
        return bits(read())
    except RequestError as error:
        return type(error), error.message


def assert_read_alike(body: bytes, content_type: str, schema: InputSchema) -> None:
    media_type = parse_content_type(content_type)
    plain = outcome(lambda: plain_input(plain_rows(body, content_type), schema))
    assert outcome(lambda: schema.assemble(decode(body, media_type))) == plain, body[:300]
    # as in a batch: the rows of several requests in one list
    assert outcome(lambda: schema.assemble(list(decode(body, media_type)))) == plain, body[:300]
