"""
The model alone, in a loop, one process on one CPU: what no server in front of it can beat.

`python -m benchmark.limits FOLDER` prints rows per second for each size of a batch.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmark.catalogue import PYTHON, ROOT, SERVERS
from benchmark.model import Model, read_model

BATCHES = (1, 8, 32, 128)
SECONDS = 1.0


def limits(model: Model) -> dict[str, float]:
    """Return rows per second by the batch's size, measured in a process of its own."""
    one = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    paths = {"PYTHONPATH": f"{ROOT}:{SERVERS / 'shared'}", "BENCHMARK_MODEL": str(model.folder)}
    environ = {**os.environ, **paths, **dict.fromkeys(one, "1")}
    command = [str(PYTHON), "-m", "benchmark.limits", str(model.folder)]
    measured = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
    return {str(batch): float(rate) for batch, rate in json.loads(measured).items()}


def main(folder: str) -> None:
    """Measure, and print JSON."""
    import model_code  # type: ignore[import-not-found]  # in servers/shared, on this process's path

    loaded, row = model_code.load(), list(read_model(Path(folder)).row)
    measured = {}
    for batch in BATCHES:
        given, calls = [row] * batch, 0
        model_code.predict(loaded, given)  # the first call is slower
        began = time.process_time()
        while (used := time.process_time() - began) < SECONDS:
            model_code.predict(loaded, given)
            calls += 1
        measured[batch] = round(calls * batch / used, 1)
    sys.stdout.write(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1])
