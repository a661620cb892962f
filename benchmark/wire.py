"""How one row travels to each kind of server."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from benchmark.model import Model

JSON = "application/json"
CSV = "text/csv"


@dataclass(frozen=True)
class Request:
    """A POST."""

    path: str
    content_type: str
    body: bytes
    accept: str = "*/*"

    def as_http(self, host: str) -> bytes:
        """Return the request as it goes through the socket."""
        lines = (
            f"POST {self.path} HTTP/1.1",
            f"Host: {host}",
            f"Content-Type: {self.content_type}",
            f"Accept: {self.accept}",
            f"Content-Length: {len(self.body)}",
        )
        return "\r\n".join((*lines, "", "")).encode() + self.body


Wire = Callable[[Model], Request]


def row_of_csv(model: Model) -> Request:
    """Return the row as SageMaker's callers send it."""
    return Request("/invocations", CSV, csv_line(model).encode())


def csv_with_names(model: Model) -> Request:
    """Return the row under its columns' names, as MLflow wants CSV."""
    names = ",".join(name for name, _ in model.columns)
    return Request("/invocations", CSV, f"{names}\n{csv_line(model)}".encode())


def rows_as_json(model: Model) -> Request:
    """Return a list of one row, for APIs whose argument is a list of rows."""
    return Request("/predict", JSON, json.dumps({"rows": [model.row]}).encode())


def row_as_json(model: Model) -> Request:
    """Return the row alone, for servers that put requests together by themselves."""
    return Request("/predict", JSON, json.dumps({"row": model.row}).encode())


def open_inference(model: Model) -> Request:
    """Return the row in the Open Inference (V2) protocol: each column a tensor, or the row one."""
    table = any(kind == "string" for _, kind in model.columns)
    cells = list(zip(model.columns, model.row, strict=True))
    inputs = [v2_column(name, kind, cell) for (name, kind), cell in cells] if table else [v2_row(model)]
    body = {"parameters": {"content_type": "pd" if table else "np"}, "inputs": inputs}
    return Request("/v2/models/model/infer", JSON, json.dumps(body).encode())


def csv_line(model: Model) -> str:
    """Return the row's cells between commas."""
    return ",".join(map(str, model.row)) + "\n"


def v2_column(name: str, kind: str, cell: str | float) -> dict[str, object]:
    """Return one cell as a column of one row."""
    datatype, content = ("BYTES", "str") if kind == "string" else ("FP64", "np")
    parameters = {"content_type": content}
    return {"name": name, "shape": [1, 1], "datatype": datatype, "data": [cell], "parameters": parameters}


def v2_row(model: Model) -> dict[str, object]:
    """Return all cells as one tensor."""
    return {"name": "rows", "shape": [1, len(model.row)], "datatype": "FP64", "data": list(model.row)}
