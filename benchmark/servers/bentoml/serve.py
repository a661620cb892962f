"""BentoML as `bentoml serve` starts a service."""

import os
import sys

here = os.path.dirname(__file__)  # noqa: PTH120
options = ["--host", "127.0.0.1", "--port", os.environ["BENCHMARK_PORT"], "--working-dir", here, "--do-not-track"]
os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", "service:Rows", *options])
