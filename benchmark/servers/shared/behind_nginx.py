"""nginx in front of a server, configured as the AWS samples do it; ends when either of the two ends."""

import os
import signal
import string
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CONFIGURATION = Path(__file__).with_name("nginx.conf.template")
SCRATCH = Path(os.environ["BENCHMARK_SCRATCH"])


def run(command: Sequence[str], upstream: str, **environment: str) -> None:
    """Start nginx and *command*, which listens at *upstream*; end with the first of them."""
    text = string.Template(CONFIGURATION.read_text())
    values = {"scratch": SCRATCH, "port": os.environ["BENCHMARK_PORT"], "upstream": upstream}
    (SCRATCH / "nginx.conf").write_text(text.substitute(values))
    nginx = ["nginx", "-p", str(SCRATCH), "-c", "nginx.conf", "-e", "stderr"]
    both = [subprocess.Popen(nginx), subprocess.Popen(command, env={**os.environ, **environment})]

    def stop(*_: Any) -> None:
        for process in both:
            process.terminate()
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    os.wait()
    stop()
