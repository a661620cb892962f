"""
Train the abalone predictor: the featurizer's ten numbers in, the shellfish's number of rings out.

Run from the repository's root, after training the featurizer:

    PYTHONPATH=container/code python models/abalone_predictor/train.py --data abalone.csv

It prints the held-out figures and writes `xgboost-model`, `samples/` and `manifest.json` beside this file.
"""

import argparse
import io
import json
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

from serving.manifest import write_manifest

FOLDER = Path(__file__).resolve().parent
FEATURIZER = FOLDER.parent / "abalone_featurizer" / "preprocess.joblib"
COLUMNS = [
    "sex",
    *("length", "diameter", "height"),  # units of 200 mm
    *("whole_weight", "shucked_weight", "viscera_weight", "shell_weight"),  # units of 200 g
]
LABEL = "rings"
SEED = 42  # the featurizer's own: what is held out here was held out there
ROUNDS = 200
PARAMETERS = {
    "objective": "reg:squarederror",
    "eta": 0.05,
    "max_depth": 4,
    "min_child_weight": 20,
    "subsample": 0.7,
    "seed": SEED,
    "nthread": 1,  # so that sums are made in the same order on every machine
}

INFANT = ("I", 0.365, 0.295, 0.095, 0.25, 0.1075, 0.0545, 0.08)
MALE = ("M", 0.525, 0.4, 0.14, 0.6955, 0.2405, 0.16, 0.253)
FEMALE = ("F", 0.53, 0.42, 0.135, 0.677, 0.2565, 0.1415, 0.21)
SAMPLES = {  # request -> abalones whose features it holds, and the type of the answer
    "one_row.csv": ([INFANT], ".json"),
    "three_rows.csv": ([INFANT, MALE, FEMALE], ".csv"),
    "instances.json": ([INFANT, MALE], ".json"),
    "records.jsonl": ([FEMALE, INFANT], ".json"),
    "array.npy": ([INFANT, MALE, FEMALE], ".csv"),
}


def load(path: Path) -> tuple[pd.DataFrame, pd.Series]:
    """Read a header-less CSV file; return its measurements (rows, 8) and its rings (rows,)."""
    data = pd.read_csv(path, header=None, names=[*COLUMNS, LABEL])
    return data[COLUMNS], data[LABEL]


def predict(model: xgboost.Booster, features: np.ndarray) -> np.ndarray:
    """Return the rings (rows,) of *features* (rows, 10)."""
    return model.predict(xgboost.DMatrix(features))


def figures(name: str, rings: pd.Series, predicted: np.ndarray) -> str:
    """Return one line: mean absolute error and root mean squared error in rings, and R2."""
    mae = mean_absolute_error(rings, predicted)
    rmse = root_mean_squared_error(rings, predicted)
    return f"{name:<18} MAE {mae:.3f}  RMSE {rmse:.3f}  R2 {r2_score(rings, predicted):.3f}"


def train(data: Path, featurizer: ColumnTransformer) -> xgboost.Booster:
    """Fit on four fifths of *data*, as *featurizer* sees it, and print the figures of the held-out fifth."""
    table, rings = load(data)
    table, held_out, rings, held_out_rings = train_test_split(table, rings, test_size=0.2, random_state=SEED)
    model = xgboost.train(PARAMETERS, xgboost.DMatrix(featurizer.transform(table), rings), ROUNDS)
    print(f"{len(table)} rows to train on, {len(held_out)} held out")
    print(figures("model", held_out_rings, predict(model, featurizer.transform(held_out))))
    print(figures("always the median", held_out_rings, np.full(len(held_out), rings.median())))
    return model


def csv_lines(features: np.ndarray) -> bytes:
    """Write one line per row."""
    return "".join(",".join(map(str, row)) + "\n" for row in features.tolist()).encode()


def json_lines(features: np.ndarray, names: list[str]) -> bytes:
    """Write one record per line, its keys being *names*."""
    records = (dict(zip(names, row, strict=True)) for row in features.tolist())
    return "".join(f"{json.dumps(record)}\n" for record in records).encode()


def npy_bytes(array: np.ndarray) -> bytes:
    """Write *array* as a `.npy` file, never pickled."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def request_body(extension: str, features: np.ndarray, names: list[str]) -> bytes:
    """Write *features* (rows, 10) in the format that *extension* stands for."""
    writers: dict[str, Callable[[], bytes]] = {
        ".csv": lambda: csv_lines(features),
        ".json": lambda: json.dumps({"instances": features.tolist()}).encode(),
        ".jsonl": lambda: json_lines(features, names),
        ".npy": lambda: npy_bytes(features),
    }
    return writers[extension]()


def response_body(extension: str, rings: np.ndarray) -> bytes:
    """Write *rings* (rows,) as `code/inference.py` promises to."""
    if extension == ".json":
        return json.dumps({"result": rings.tolist()}).encode()
    return "".join(f"{value}\n" for value in rings.tolist()).encode()


def write_samples(model: xgboost.Booster, featurizer: ColumnTransformer) -> None:
    """Write each sample request and, beside it, *model*'s answer."""
    names = list(featurizer.get_feature_names_out())
    for name, (abalones, answer) in SAMPLES.items():
        features = featurizer.transform(pd.DataFrame(abalones, columns=COLUMNS))
        request = FOLDER / "samples" / name
        request.parent.mkdir(exist_ok=True)
        request.write_bytes(request_body(request.suffix, features, names))
        response = request.with_suffix(f".expected{answer}")
        response.write_bytes(response_body(answer, predict(model, features)))


def describe(featurizer: ColumnTransformer) -> None:
    """Write the manifest: file hashes, library versions and the input's columns."""
    columns = [{"name": name, "type": "number"} for name in featurizer.get_feature_names_out()]
    write_manifest(FOLDER, libraries=["xgboost-cpu", "numpy"], input={"type": "matrix", "columns": columns})


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train models/abalone_predictor.")
    parser.add_argument("--data", type=Path, required=True, help="the UCI Abalone table, without header")
    parser.add_argument("--featurizer", type=Path, default=FEATURIZER, help="its preprocess.joblib")
    return parser.parse_args()


def main() -> None:
    """Train, then write everything that the folder needs to be served."""
    given = arguments()
    featurizer = joblib.load(given.featurizer)
    model = train(given.data, featurizer)
    (FOLDER / "xgboost-model").write_bytes(model.save_raw("ubj"))
    write_samples(model, featurizer)
    describe(featurizer)


if __name__ == "__main__":
    main()
