"""MLServer, as its own image starts it."""

import os
from pathlib import Path

program = str(Path(os.environ["BENCHMARK_PYTHON"]).parent / "mlserver")
os.execv(program, [program, "start", os.environ["BENCHMARK_SCRATCH"]])
