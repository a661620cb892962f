"""
Fit the abalone featurizer: eight measurements of a shellfish in, ten numbers for a regressor out.

Run from the repository's root:

    PYTHONPATH=container/code python models/abalone_featurizer/train.py --data abalone.csv

It prints what it learnt and writes `preprocess.joblib`, `samples/` and `manifest.json` beside this file.
"""

import argparse
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from serving.manifest import write_manifest

FOLDER = Path(__file__).resolve().parent
LENGTHS = ["length", "diameter", "height"]  # units of 200 mm
WEIGHTS = ["whole_weight", "shucked_weight", "viscera_weight", "shell_weight"]  # units of 200 g
NUMBERS = [*LENGTHS, *WEIGHTS]
COLUMNS = ["sex", *NUMBERS]
LABEL = "rings"
SEED = 42

Row = tuple[str | float | None, ...]

INFANT: Row = ("I", 0.365, 0.295, 0.095, 0.25, 0.1075, 0.0545, 0.08)
MALE: Row = ("M", 0.525, 0.4, 0.14, 0.6955, 0.2405, 0.16, 0.253)
FEMALE: Row = ("F", 0.53, 0.42, 0.135, 0.677, 0.2565, 0.1415, 0.21)
SAMPLES: dict[str, list[Row]] = {
    "one_row.csv": [(*INFANT, 9.0)],  # the label may be sent; it is dropped
    "three_rows.csv": [
        ("M", 0.525, 0.4, 0.14, None, 0.2405, 0.16, 0.253),  # a number is missing
        ("X", *FEMALE[1:]),  # a sex never seen in training
        (None, *INFANT[1:]),  # the sex is missing
    ],
    "instances.json": [INFANT, (*MALE[:-1], None)],
    "records.jsonl": [FEMALE, INFANT],
    "array.npy": [INFANT, MALE, FEMALE],
}


def as_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Return *rows* as the featurizer's input: one string and seven float64 columns, no label."""
    table = pd.DataFrame([row[: len(COLUMNS)] for row in rows], columns=COLUMNS)
    return table.astype({"sex": "str"} | dict.fromkeys(NUMBERS, "float64"))


def load(path: Path) -> pd.DataFrame:
    """Read a header-less CSV file; return its measurements (rows, 8)."""
    return pd.read_csv(path, header=None, names=[*COLUMNS, LABEL])[COLUMNS]


def unfitted_featurizer() -> ColumnTransformer:
    """Fill gaps, scale the seven numbers and one-hot encode the sex: (rows, 8) to (rows, 10)."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    # pd.NA stands for None, NaN and NA alike; np.nan would let a None in an object column through.
    sex = make_pipeline(
        SimpleImputer(missing_values=pd.NA, strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore"),
    )
    return ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("sex", sex, ["sex"])],
        sparse_threshold=0,  # always a dense array
        verbose_feature_names_out=False,
    )


def summary(featurizer: ColumnTransformer, held_out: pd.DataFrame) -> pd.DataFrame:
    """Return what was learnt of each number, and how near to mean 0 and deviation 1 it brings *held_out*."""
    imputer, scaler = featurizer.named_transformers_["numbers"]
    scaled = featurizer.transform(held_out)[:, : len(NUMBERS)]
    columns = {
        "median": imputer.statistics_,
        "mean": scaler.mean_,
        "deviation": scaler.scale_,
        "held-out mean": scaled.mean(axis=0),
        "held-out deviation": scaled.std(axis=0),
    }
    return pd.DataFrame(columns, index=NUMBERS)


def train(data: Path) -> ColumnTransformer:
    """Fit on four fifths of *data* and print how the held-out fifth comes out."""
    table, held_out = train_test_split(load(data), test_size=0.2, random_state=SEED)
    featurizer = unfitted_featurizer().fit(table)
    print(f"{len(table)} rows to fit on, {len(held_out)} held out")
    print(summary(featurizer, held_out).round(3).to_string())
    return featurizer


def csv_lines(rows: Sequence[Row]) -> bytes:
    """Write one line per row; a missing value is an empty cell."""
    lines = (",".join("" if cell is None else str(cell) for cell in row) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def json_lines(values: Sequence[object]) -> bytes:
    """Write one JSON value per line."""
    return "".join(f"{json.dumps(value)}\n" for value in values).encode()


def npy_bytes(array: np.ndarray) -> bytes:
    """Write *array* as a `.npy` file, never pickled."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def named_fields(rows: Sequence[Row]) -> np.ndarray:
    """Return *rows* as a structured array (rows,) with one field per column."""
    return np.array(rows, dtype=[("sex", "<U1"), *((name, "<f8") for name in NUMBERS)])


REQUESTS: dict[str, Callable[[Sequence[Row]], bytes]] = {
    ".csv": csv_lines,
    ".json": lambda rows: json.dumps({"instances": rows}).encode(),
    ".jsonl": lambda rows: json_lines([dict(zip(COLUMNS, row, strict=True)) for row in rows]),
    ".npy": lambda rows: npy_bytes(named_fields(rows)),
}
RESPONSES: dict[str, Callable[[np.ndarray], bytes]] = {
    ".csv": lambda features: csv_lines(features.tolist()),
    ".json": lambda features: json.dumps(features.tolist()).encode(),
    ".jsonl": lambda features: json_lines(features.tolist()),
    ".npy": npy_bytes,
}


def write_samples(featurizer: ColumnTransformer) -> None:
    """Write each sample request and, beside it, *featurizer*'s answer in the same format."""
    for name, rows in SAMPLES.items():
        request = FOLDER / "samples" / name
        request.parent.mkdir(exist_ok=True)
        request.write_bytes(REQUESTS[request.suffix](rows))
        response = request.with_suffix(f".expected{request.suffix}")
        response.write_bytes(RESPONSES[request.suffix](featurizer.transform(as_table(rows))))


def describe() -> None:
    """Write the manifest: file hashes, library versions, the input's columns, the default response type."""
    columns = [{"name": "sex", "type": "string"}, *({"name": name, "type": "number"} for name in NUMBERS)]
    write_manifest(
        FOLDER,
        libraries=["scikit-learn", "numpy", "pandas", "joblib"],
        input={"type": "table", "columns": columns, "label": LABEL},
        output={"accept": "text/csv"},
    )


def main() -> None:
    """Fit, then write everything that the folder needs to be served."""
    parser = argparse.ArgumentParser(description="Fit models/abalone_featurizer.")
    parser.add_argument("--data", type=Path, required=True, help="the UCI Abalone table, without header")
    featurizer = train(parser.parse_args().data)
    joblib.dump(featurizer, FOLDER / "preprocess.joblib")
    write_samples(featurizer)
    describe()


if __name__ == "__main__":
    main()
