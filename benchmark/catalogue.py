"""
The servers that are measured, each in the set-up that its own documentation has for production.

A server is a folder in `servers/` with `serve.py`, which becomes the server. Peers also have `requirements.txt`, and
some `prepare.py`, which writes the model in their own format before they are started.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.model import Model
from benchmark.wire import Wire, csv_with_names, open_inference, row_as_json, row_of_csv, rows_as_json

ROOT = Path(__file__).parent.parent
SERVERS = Path(__file__).parent / "servers"
PROGRAM = ROOT / "container" / "code" / "serve"
CACHE = ROOT / ".cache" / "benchmark"


@dataclass(frozen=True)
class Server:
    """A way of serving a model over HTTP."""

    name: str
    about: str
    folder: str = ""  # in servers/; none: our own program
    wire: Wire = row_of_csv
    health: str = "/ping"
    environment: Mapping[str, str] = field(default_factory=dict)
    compiled: bool = False  # given the compiled form of the model
    serves: Callable[[Model], bool] = lambda model: True
    serves_what: str = "every model"

    @property
    def requirements(self) -> Path | None:
        """Return what its environment is made of, if it has one of its own."""
        path = SERVERS / self.folder / "requirements.txt"
        return path if self.folder and path.is_file() else None

    def command(self, python: Path) -> list[str]:
        """Return how it is started."""
        program = SERVERS / self.folder / "serve.py" if self.folder else PROGRAM
        return [str(python), str(program)]

    def preparation(self, python: Path) -> list[str] | None:
        """Return how the model is brought into its format, if it has one."""
        path = SERVERS / self.folder / "prepare.py"
        return [str(python), str(path)] if self.folder and path.is_file() else None

    def variables(self, model: Path, port: int, workers: int, scratch: Path, python: Path) -> dict[str, str]:
        """Return its environment: nothing of the user's own but PATH."""
        common = {
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return {**common, **(self._words(model, port, workers, scratch)), **self.environment}

    def _words(self, model: Path, port: int, workers: int, scratch: Path) -> dict[str, str]:
        if not self.folder:
            ours = {"SM_MODEL_DIR": model, "SAGEMAKER_BIND_TO_PORT": port, "SAGEMAKER_MODEL_SERVER_WORKERS": workers}
            return {name: str(value) for name, value in ours.items()}
        peers = {"MODEL": model, "PORT": port, "WORKERS": workers, "SCRATCH": scratch}
        # One thread each for OpenMP and BLAS, as ours: workers that fight for CPUs would be no comparison.
        threads = {"OMP_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1, "MKL_NUM_THREADS": 1}
        named = {f"BENCHMARK_{name}": value for name, value in peers.items()}
        return {name: str(value) for name, value in {**named, **threads, "PYTHONPATH": SERVERS / "shared"}.items()}


def of_scikit_learn(model: Model) -> bool:
    """Tell whether scikit-learn made the model."""
    return not model.is_xgboost


OURS, COMPILED, PATTERN = "ours", "ours-compiled", "pattern"

CATALOGUE = (
    Server(OURS, "this template as it stands"),
    Server("ours-unbatched", "this template, each request by itself", environment={"SERVING_BATCH_ROWS": "1"}),
    Server(COMPILED, "this template with the model in compiled form", compiled=True),
    Server(PATTERN, "the AWS samples' pattern: nginx, gunicorn sync, Flask; the model once in each worker", "pattern"),
    Server(
        "pattern-reloads",
        "the same, with the model read from disk for each request and ping, as one of the samples does",
        "pattern",
        environment={"BENCHMARK_RELOAD": "1"},
    ),
    Server("flask-empty", "no model: nginx, gunicorn's own gevent worker, a Flask route that does nothing", "empty"),
    Server("mlflow", "MLflow's scoring server: nginx, uvicorn with workers", "mlflow", csv_with_names, health="/ping"),
    Server("bentoml", "BentoML: a batchable API, adaptive batching", "bentoml", rows_as_json, health="/readyz"),
    Server("litserve", "LitServe: batches of 128 within 5 ms", "litserve", row_as_json, health="/health"),
    Server(
        "mlserver",
        "MLServer: its scikit-learn runtime, parallel workers, adaptive batching",
        "mlserver",
        open_inference,
        health="/v2/health/ready",
        serves=of_scikit_learn,
        serves_what="models of scikit-learn here: its XGBoost runtime is not set up",
    ),
    Server("fastapi", "FastAPI under uvicorn with workers, a synchronous handler", "fastapi"),
)

PYTHON = Path(sys.executable)
