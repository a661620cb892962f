"""
Train the abalone model: eight measurements of a shellfish in, its number of rings out.

Run from the repository's root:

    PYTHONPATH=container/code python models/abalone/train.py --data abalone.csv

It prints the held-out figures and writes `model.joblib`, `samples/` and `manifest.json` beside this file.
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
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
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
    """Return *rows* as the model's input: one string and seven float64 columns, no label."""
    table = pd.DataFrame([row[: len(COLUMNS)] for row in rows], columns=COLUMNS)
    return table.astype({"sex": "str"} | dict.fromkeys(NUMBERS, "float64"))


def load(path: Path) -> tuple[pd.DataFrame, pd.Series]:
    """Read a header-less CSV file; return its measurements (rows, 8) and its rings (rows,)."""
    data = pd.read_csv(path, header=None, names=[*COLUMNS, LABEL])
    return data[COLUMNS], data[LABEL]


def preprocessing() -> ColumnTransformer:
    """Fill gaps, scale the seven numbers and one-hot encode the sex: (rows, 8) to (rows, 10)."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    # pd.NA stands for None, NaN and NA alike; np.nan would let a None in an object column through.
    sex = make_pipeline(
        SimpleImputer(missing_values=pd.NA, strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore"),
    )
    return ColumnTransformer([("numbers", numbers, NUMBERS), ("sex", sex, ["sex"])], sparse_threshold=0)


def untrained_model() -> Pipeline:
    """Return preprocessing and regression as one estimator: (rows, 8) to rings (rows,)."""
    regressor = GradientBoostingRegressor(
        n_estimators=200,
        learning_rate=0.05,
        max_depth=4,
        min_samples_leaf=20,
        subsample=0.5,
        random_state=SEED,
    )
    return Pipeline([("preprocessing", preprocessing()), ("regressor", regressor)])


def figures(name: str, rings: pd.Series, predicted: np.ndarray) -> str:
    """Return one line: mean absolute error and root mean squared error in rings, and R2."""
    mae = mean_absolute_error(rings, predicted)
    rmse = root_mean_squared_error(rings, predicted)
    return f"{name:<18} MAE {mae:.3f}  RMSE {rmse:.3f}  R2 {r2_score(rings, predicted):.3f}"


def train(data: Path) -> Pipeline:
    """Fit on four fifths of *data* and print the figures of the held-out fifth."""
    table, rings = load(data)
    table, held_out, rings, held_out_rings = train_test_split(table, rings, test_size=0.2, random_state=SEED)
    model = untrained_model().fit(table, rings)
    print(f"{len(table)} rows to train on, {len(held_out)} held out")
    print(figures("model", held_out_rings, model.predict(held_out)))
    print(figures("always the median", held_out_rings, np.full(len(held_out), rings.median())))
    return model


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
    ".csv": lambda rings: csv_lines([(value,) for value in rings.tolist()]),
    ".json": lambda rings: json.dumps(rings.tolist()).encode(),
    ".jsonl": lambda rings: json_lines(rings.tolist()),
    ".npy": npy_bytes,
}


def write_samples(model: Pipeline) -> None:
    """Write each sample request and, beside it, *model*'s answer in the same format."""
    for name, rows in SAMPLES.items():
        request = FOLDER / "samples" / name
        request.parent.mkdir(exist_ok=True)
        request.write_bytes(REQUESTS[request.suffix](rows))
        response = request.with_suffix(f".expected{request.suffix}")
        response.write_bytes(RESPONSES[request.suffix](model.predict(as_table(rows))))


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
    """Train, then write everything that the folder needs to be served."""
    parser = argparse.ArgumentParser(description="Train models/abalone.")
    parser.add_argument("--data", type=Path, required=True, help="the UCI Abalone table, without header")
    model = train(parser.parse_args().data)
    joblib.dump(model, FOLDER / "model.joblib")
    write_samples(model)
    describe()


if __name__ == "__main__":
    main()
