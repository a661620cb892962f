"""
The model's own samples: requests that warm it up, and the answers that prove it is the model it should be.

`samples/one_row.csv` is a request whose extension tells its media type; `samples/one_row.expected.json` is the
answer to it, whose extension tells the Accept. A request without an answer only warms up.
"""

import csv
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.decoders import array_from
from serving.errors import RequestError, StartError
from serving.inference import InferenceRequest
from serving.media_types import CSV, JSON, JSON_LINES, NPY, TEXT
from serving.model import Model

FOLDER = "samples"
TOLERANCE = 1e-6  # relative; other processors and library builds may differ in a float's last digits
EXTENSIONS = {".csv": CSV, ".json": JSON, ".jsonl": JSON_LINES, ".npy": NPY, ".txt": TEXT}


@dataclass(frozen=True)
class Sample:
    """A request in a file and, where there is one, the file with the answer it must get."""

    request: Path
    expected: Path | None

    def to_request(self) -> InferenceRequest:
        """Return the request as a caller would send it."""
        accept = EXTENSIONS.get(self.expected.suffix) if self.expected else None
        return InferenceRequest(self.request.read_bytes(), EXTENSIONS[self.request.suffix], accept)


def find_samples(model_dir: Path) -> list[Sample]:
    """Return the samples in the model folder, in the order of their names."""
    files = sorted((model_dir / FOLDER).glob("*"))
    requests = [path for path in files if path.suffix in EXTENSIONS and not is_expected(path)]
    return [Sample(path, next(filter(is_expected, answers(path, files)), None)) for path in requests]


def is_expected(path: Path) -> bool:
    """Tell an answer from a request by its name."""
    return path.name.count(".") > 1 and path.suffixes[-2] == ".expected"


def answers(request: Path, files: Iterable[Path]) -> list[Path]:
    """Return the files that answer *request*."""
    return [path for path in files if path.name.startswith(f"{request.stem}.expected.")]


def replay(model: Model, samples: Iterable[Sample]) -> None:
    """Send every sample through the model; raise `StartError` at the first wrong answer."""
    for sample in samples:
        try:
            found = model.transform(sample.to_request()).read()
        except RequestError as error:
            cause = f" ({error.__cause__})" if error.__cause__ else ""
            raise StartError(
                f"The model fails on its own sample {sample.request}: {error.status} {error.message}{cause} "
                "Mend the model or the sample."
            ) from error
        if sample.expected and not same(found, sample.expected.read_bytes(), sample.expected.suffix):
            raise StartError(
                f"The model's answer to its own sample {sample.request} is not {sample.expected.name}: "
                f"expected {shown(sample.expected.read_bytes())}, found {shown(found)}. "
                "Either this is another model, or a library computes differently; train it anew to record new answers; "
                "if it was compiled, `make compile` again."
            )


def shown(body: bytes) -> str:
    """Return the beginning of a sample's answer, which is no secret: it lies in the model folder."""
    return repr(body[:80].decode(errors="replace"))


def same(found: bytes, expected: bytes, suffix: str) -> bool:
    """Tell whether two answers are equal, floats within `TOLERANCE`."""
    try:
        return equal(values_in(found, suffix), values_in(expected, suffix))
    except (ValueError, RequestError):
        return found == expected


def values_in(body: bytes, suffix: str) -> Any:
    """Return what the body says, as nested lists of numbers and strings."""
    if suffix == ".npy":
        return array_from(body).tolist()
    if suffix == ".json":
        return json.loads(body)
    if suffix == ".jsonl":
        return [json.loads(line) for line in body.splitlines()]
    if suffix == ".csv":
        return [[number_or_text(cell) for cell in row] for row in csv.reader(body.decode().splitlines())]
    return body


def number_or_text(cell: str) -> float | str:
    """Return the cell as a number if it is one."""
    try:
        return float(cell)
    except ValueError:
        return cell


def equal(found: Any, expected: Any) -> bool:
    """Compare nested values, numbers within `TOLERANCE`."""
    if isinstance(found, int | float) and isinstance(expected, int | float):
        close = math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=1e-9)
        return close or (math.isnan(found) and math.isnan(expected))
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(equal, found, expected))
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(equal(found[key], expected[key]) for key in found)
    return bool(found == expected)
