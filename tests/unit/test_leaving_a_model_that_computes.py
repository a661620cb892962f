"""The end of a worker whose model computes for nobody: what was said is out, and nothing is taken down."""

import subprocess
import sys

from serving import nginx as door

PROGRAM = """
import atexit, ctypes, logging.config, os, sys, threading
from serving import logs
from serving.leaving import leave

logging.config.dictConfig(logs.configuration(logging.INFO))
atexit.register(os.write, 1, b"taken down")
threading.Thread(target=ctypes.CDLL(None).sleep, args=(60,)).start()  # no daemon: Python would wait for it
sys.stdout.write("said")
leave()
"""


def test_a_worker_that_leaves_has_said_everything_and_waits_for_no_thread() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(door.TEMPLATE.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (ran.returncode, ran.stdout) == (0, "said")
    assert "ended while the model was computing for nobody" in ran.stderr
