"""nginx and gunicorn's own gevent worker in front of a Flask route that does nothing: what no such stack can beat."""

import os
import sys

import behind_nginx

socket = f"unix:{os.environ['BENCHMARK_SCRATCH']}/gunicorn.sock"
gunicorn = [sys.executable, "-m", "gunicorn", "--worker-class", "gevent", "--bind", socket, "--no-control-socket"]
workers = ["--workers", os.environ["BENCHMARK_WORKERS"], "--chdir", os.path.dirname(__file__)]  # noqa: PTH120
behind_nginx.run([*gunicorn, *workers, "app:app"], socket)
