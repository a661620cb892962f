"""The pattern of the AWS samples: nginx and gunicorn's sync workers over a Unix socket."""

import os
import sys

import behind_nginx

socket = f"unix:{os.environ['BENCHMARK_SCRATCH']}/gunicorn.sock"
gunicorn = [sys.executable, "-m", "gunicorn", "--timeout", "60", "--worker-class", "sync", "--bind", socket]
workers = ["--workers", os.environ["BENCHMARK_WORKERS"], "--no-control-socket", "--chdir", os.path.dirname(__file__)]  # noqa: PTH120
behind_nginx.run([*gunicorn, *workers, "app:app"], socket)
