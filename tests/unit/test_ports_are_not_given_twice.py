"""The tests' own servers: processes that run at the same time are given different ports."""

import subprocess
import sys
from pathlib import Path

from ports import free_port

PROCESSES, EACH = 4, 150  # more than a block holds
TAKE = f"from ports import free_port; print(*(free_port() for _ in range({EACH})), flush=True); input()"


def test_processes_that_run_at_the_same_time_are_given_different_ports():
    """Each waits until all have taken theirs, as tests do while their servers run."""
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    try:
        given = [port for taker in takers if taker.stdout for port in taker.stdout.readline().split()]
    finally:
        for taker in takers:
            taker.communicate("\n")
    assert len(given) == len(set(given)) == PROCESSES * EACH
    assert str(free_port()) not in given
