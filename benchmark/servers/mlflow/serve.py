"""MLflow's scoring server as its SageMaker image starts it: nginx in front of uvicorn with workers."""

import os
import socket
import sys

import behind_nginx

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
model = f"file://{os.environ['BENCHMARK_SCRATCH']}/mlflow-model"
options = ["--port", str(port), "--workers", os.environ["BENCHMARK_WORKERS"]]
command = [sys.executable, "-m", "uvicorn", *options, "mlflow.pyfunc.scoring_server.app:app"]
timeout = {"MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": "60"}
behind_nginx.run(command, f"127.0.0.1:{port}", __pyfunc_model_path__=model, **timeout)
