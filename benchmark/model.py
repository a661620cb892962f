"""A model folder as the benchmark sees it: one row, the answer to it, and what the columns are called."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import Refused

TOLERANCE = 1e-5  # relative; some servers answer in single precision
# Where servers put their predictions in JSON: ours and MLflow, a model's own, the V2 protocol, LitServe.
PREDICTIONS = ("predictions", "result", "outputs", "data", "output")


@dataclass(frozen=True)
class Model:
    """A folder that every server can be given."""

    folder: Path
    columns: tuple[tuple[str, str], ...]  # name and type: "string" or "number"
    row: tuple[str | float, ...]
    expected: tuple[float, ...]

    @property
    def name(self) -> str:
        """Return the folder's name."""
        return self.folder.name

    @property
    def is_xgboost(self) -> bool:
        """Tell whether the model is a booster rather than one of scikit-learn's."""
        return (self.folder / "xgboost-model").exists()


def read_model(folder: Path) -> Model:
    """Read the manifest and the sample `one_row`; a label at the row's end is left out."""
    manifest, row = folder / "manifest.json", folder / "samples" / "one_row.csv"
    answers = sorted(folder.glob("samples/one_row.expected.*"))
    if not (manifest.is_file() and row.is_file() and answers):
        raise Refused(
            f"{folder} cannot be compared: looked for a manifest.json that lists the columns, for samples/one_row.csv",
            "and for samples/one_row.expected.*. For what one instance of it holds, none is needed: make bench MODEL=…",
        )
    described = json.loads(manifest.read_text())["input"]["columns"]
    columns = tuple((column["name"], column["type"]) for column in described)
    cells = row.read_text().strip().split(",")[: len(columns)]
    typed = tuple(cell if kind == "string" else float(cell) for cell, (_, kind) in zip(cells, columns, strict=True))
    return Model(folder, columns, typed, tuple(numbers(answers[0].read_bytes())))


def numbers(body: bytes) -> list[float]:
    """Return the numbers of an answer, in JSON or CSV; raise `ValueError` if it is neither."""
    text = body.decode()
    try:
        return list(leaves(json.loads(text)))
    except json.JSONDecodeError:
        return [float(cell) for line in text.split() for cell in line.split(",")]


def leaves(value: Any) -> Iterator[float]:
    """Yield the numbers in nested lists, and of an object those of its predictions."""
    if isinstance(value, dict):
        names = [name for name in PREDICTIONS if name in value]
        if not names:
            raise ValueError(f"no predictions among {', '.join(value)}")
        yield from leaves(value[names[0]])
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield float(value)


def same(found: Sequence[float], expected: Sequence[float]) -> bool:
    """Tell whether two answers are the same, but for their last digits."""
    close = (abs(one - other) <= TOLERANCE * max(1.0, abs(other)) for one, other in zip(found, expected, strict=False))
    return len(found) == len(expected) and all(close)
