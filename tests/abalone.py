"""What the example models answer, worked out in Python without a server."""

import joblib
import pandas as pd
import xgboost

from server import MODELS

ROW = "I,0.365,0.295,0.095,0.25,0.1075,0.0545,0.08,9.0"
PREDICTION = 7.258125951673891
COLUMNS = ["sex", "length", "diameter", "height", "whole_weight", "shucked_weight", "viscera_weight", "shell_weight"]
SHELLS = [
    ["I", 0.365, 0.295, 0.095, 0.25, 0.1075, 0.0545, 0.08],
    ["M", 0.455, 0.365, 0.095, 0.514, 0.2245, 0.101, 0.15],
    ["F", 0.53, 0.42, 0.135, 0.677, 0.2565, 0.1415, 0.21],
]


def lines(shells: list[list[object]]) -> str:
    """Return the shells as the body of a request in CSV."""
    return "".join(f"{','.join(map(str, shell))}\n" for shell in shells)


def calculated(shells: list[list[object]]) -> list[float]:
    """Return what the featurizer and, after it, the predictor say."""
    featurizer = joblib.load(MODELS / "abalone_featurizer" / "preprocess.joblib")
    booster = xgboost.Booster()
    booster.load_model(bytearray((MODELS / "abalone_predictor" / "xgboost-model").read_bytes()))
    return booster.inplace_predict(featurizer.transform(pd.DataFrame(shells, columns=COLUMNS))).tolist()
