"""How long a model folder takes to be ready: load it as the server does, and replay its samples.

`python -m deploy.stage.measure FOLDER`, with `container/code` on the path, is the process that is timed.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from deploy.errors import Refused

ROOT = Path(__file__).parents[2]
SHORTEST, LONGEST = 60, 3600  # s, ContainerStartupHealthCheckTimeoutInSeconds
ALLOWANCE = 10  # an instance may be that much slower than this machine, and has the image's files to read


def measure(folder: Path, clock: Callable[[], float] = time.monotonic) -> float:
    """Return the seconds that a process takes to load *folder* and answer its samples; raise `Refused` if it cannot."""
    environment = {
        **os.environ,
        "SM_MODEL_DIR": str(folder),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "container" / "code"))),
    }
    began = clock()
    done = subprocess.run(
        [sys.executable, "-m", "deploy.stage.measure"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Refused(f"{folder} does not answer its own samples here:", last, "See it with: make serve MODEL=…")
    return clock() - began


def start_up_seconds(measured: float) -> int:
    """Return the limit to give a start-up that took *measured* seconds here: a whole number of minutes."""
    minutes = -(-measured * ALLOWANCE // 60)
    return int(min(max(minutes * 60, SHORTEST), LONGEST))


def main() -> None:
    """Load the model folder that the environment names, and replay its samples."""
    from serving.errors import StartError
    from serving.loading import load_model
    from serving.samples import find_samples, replay
    from serving.settings import Settings

    try:
        settings = Settings.from_environment(os.environ)
        replay(load_model(settings), find_samples(settings.model_dir))
    except StartError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
