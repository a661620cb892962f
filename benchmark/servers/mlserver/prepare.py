"""Write the settings that MLServer reads beside the model."""

import json
import os
from pathlib import Path

import joblib
import model_code

FOLDER = Path(os.environ["BENCHMARK_SCRATCH"])
(source,) = Path(os.environ["BENCHMARK_MODEL"]).glob("*.joblib")
(FOLDER / "model.joblib").symlink_to(source)
folders = {"environments_dir": str(FOLDER / "envs"), "metrics_dir": str(FOLDER / "metrics")}
settings = {"parallel_workers": int(os.environ["BENCHMARK_WORKERS"]), "host": "127.0.0.1", **folders}
ports = {"http_port": int(os.environ["BENCHMARK_PORT"]), "grpc_port": 0, "metrics_port": 0}
method = "predict" if hasattr(joblib.load(source), "predict") else "transform"
parameters = {"uri": "./model.joblib", "content_type": "pd" if model_code.IS_TABLE else "np"}
model = {
    "name": "model",
    "implementation": "mlserver_sklearn.SKLearnModel",
    "parameters": {**parameters, "extra": {"predict_fn": method}},
    "max_batch_size": 128,
    "max_batch_time": 0.005,
}
(FOLDER / "settings.json").write_text(json.dumps({**settings, **ports, "metrics_endpoint": None}))
(FOLDER / "model-settings.json").write_text(json.dumps(model))
