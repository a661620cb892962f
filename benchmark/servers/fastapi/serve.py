"""FastAPI under uvicorn, as FastAPI's documentation runs it with workers."""

import os
import sys

here = os.path.dirname(__file__)  # noqa: PTH120
options = ["--host", "127.0.0.1", "--port", os.environ["BENCHMARK_PORT"], "--workers", os.environ["BENCHMARK_WORKERS"]]
os.execv(sys.executable, [sys.executable, "-m", "uvicorn", "--app-dir", here, *options, "app:app"])
