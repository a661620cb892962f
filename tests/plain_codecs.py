"""The codecs without a fast path, cell by cell: what the fast ones are measured against, and have to equal."""

from typing import Any

import pandas as pd

from serving.cells import plain_column, plain_matrix
from serving.decoders import csv_rows, text_from
from serving.encoders import dump_json, plain_csv, plain_json_lines, values_of
from serving.errors import BadRequest
from serving.json_values import parse_json, rows_in_json, rows_in_lines
from serving.media_types import CSV, JSON, JSON_LINES, parse_content_type
from serving.schema import InputSchema


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
