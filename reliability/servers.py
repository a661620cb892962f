"""What is started: this template, or one of the benchmark's peers, with the models of these programs."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from benchmark.catalogue import CATALOGUE, OURS, ROOT, SERVERS, Server
from benchmark.errors import Unfit, say
from benchmark.model import Model, read_model
from benchmark.models import folder_named
from benchmark.running import Running, Start
from reliability.processes import ready_workers

MODELS = Path(__file__).parent / "models"
BURNING, MIXED = "burning", "mixed"
SECONDS_OF_CPU = 0.1  # that the burning model's sample takes
WORKERS = 2


def server_named(name: str = OURS) -> Server:
    """Return the server of the benchmark's catalogue."""
    return next(server for server in CATALOGUE if server.name == name)


@contextlib.contextmanager
def serving(server: Server, model: Model, workers: int = WORKERS, **environment: str) -> Iterator[Running]:
    """Start the server, wait for its first right answer, and end it afterwards."""
    # The peers find the model's class in its own code/, as the user of each would install it.
    path = f"{SERVERS / 'shared'}:{model.folder / 'code'}"
    peers = {"PYTHONPATH": path} if server.folder else {}
    known = replace(server, environment={**server.environment, **peers, **environment})
    say(f"- starting {server.name}")
    with Running(Start(known, model, model.folder, workers)) as running:
        if server.name == OURS:
            wait_for_all(running, workers)
        yield running


def wait_for_all(running: Running, workers: int, instead_of: Collection[int] = ()) -> None:
    """Wait until each worker is ready, not the first alone, and not the very same as before."""
    deadline = time.monotonic() + running.patience
    while len(ready := ready_workers(running.process.pid)) < workers or ready == instead_of:
        if time.monotonic() > deadline:
            raise Unfit(f"not all of its {workers} workers were ready within {running.patience:g} s")
        time.sleep(0.02)


@contextlib.contextmanager
def burning_model() -> Iterator[Model]:
    """Make the model that computes for as many seconds as a row says, and remove it afterwards."""
    with copied(BURNING) as folder:
        fit = "import joblib, burning; joblib.dump(burning.Burner(), '../model.joblib')"
        run([sys.executable, "-c", fit], folder / "code")
        yield with_hashes(folder)


@contextlib.contextmanager
def mixed_model() -> Iterator[Model]:
    """Make abalone_predictor with a hook that can answer in parts, and remove it afterwards."""
    source = folder_named("abalone_predictor")
    with copied(MIXED) as folder:
        shutil.copy(source / "xgboost-model", folder)
        for sample in ("one_row.csv", "three_rows.csv", "three_rows.expected.csv", "array.npy", "array.expected.csv"):
            shutil.copy(source / "samples" / sample, folder / "samples")
        shutil.copy(source / "manifest.json", folder)
        yield with_hashes(folder)


@contextlib.contextmanager
def copied(name: str) -> Iterator[Path]:
    """Copy the folder of that name in `models`; a run of its own has a copy of its own."""
    with tempfile.TemporaryDirectory(prefix="reliability-") as scratch:
        Path(scratch).chmod(0o755)  # the server's user may be another
        folder = Path(scratch) / name
        shutil.copytree(MODELS / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
        yield folder


def run(command: list[str], cwd: Path) -> None:
    """Run a step of making a model, without leaving bytecode in its folder."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "container" / "code"), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL, cwd=cwd)


def with_hashes(folder: Path) -> Model:
    """Bring the manifest up to date, and return the model."""
    run([sys.executable, "-m", "serving.manifest", str(folder)], folder)
    return read_model(folder)
