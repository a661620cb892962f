"""What a user of any of these servers would write to load a model and to predict with it."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

FOLDER = Path(os.environ["BENCHMARK_MODEL"])
COLUMNS = json.loads((FOLDER / "manifest.json").read_text())["input"]["columns"]
NAMES = [column["name"] for column in COLUMNS]
IS_TABLE = any(column["type"] == "string" for column in COLUMNS)


def load() -> Any:
    """Return the model in the folder: the booster, or the only joblib file."""
    path = FOLDER / "xgboost-model"
    if path.exists():
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(path)
        booster.set_param({"nthread": 1})
        return booster
    (path,) = FOLDER.glob("*.joblib")
    return joblib.load(path)


def predict(model: Any, rows: Any) -> np.ndarray:
    """Return the answers to *rows*: a DataFrame, an array, or lists of cells."""
    if not isinstance(rows, pd.DataFrame | np.ndarray):
        rows = pd.DataFrame(rows, columns=NAMES) if IS_TABLE else np.asarray(rows, dtype=float)
    return np.asarray(asked(model)(rows))


def asked(model: Any) -> Any:
    """Return the method that answers."""
    if type(model).__module__.startswith("xgboost"):
        import xgboost

        return lambda rows: model.predict(xgboost.DMatrix(rows))
    return model.predict if hasattr(model, "predict") else model.transform


def predict_csv(model: Any, text: str) -> str:
    """Return the answer to lines of CSV, in CSV, as the AWS samples do it."""
    rows = pd.read_csv(io.StringIO(text), header=None, names=NAMES)
    answers = predict(model, rows if IS_TABLE else rows.to_numpy())
    out = io.StringIO()
    csv.writer(out).writerows(np.atleast_2d(answers.T).T.tolist())
    return out.getvalue()
