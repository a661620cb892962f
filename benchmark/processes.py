"""What a tree of processes has used of the machine, as Linux's /proc tells it."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
KB = 1024


def stat_fields(pid: int, proc: Path = PROC) -> list[str]:
    """Return the fields of `stat` that follow the name: state, parent, …; the name may hold any character."""
    return (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()


def parents(proc: Path = PROC) -> Iterator[tuple[int, int]]:
    """Yield (pid, parent) of every process."""
    for folder in proc.iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError, IndexError):
                yield int(folder.name), int(stat_fields(int(folder.name), proc)[1])


def tree(root: int, proc: Path = PROC) -> set[int]:
    """Return *root* and every process below it."""
    everything = dict(parents(proc))
    found, frontier = {root}, {root}
    while frontier:
        frontier = {pid for pid, parent in everything.items() if parent in frontier} - found
        found |= frontier
    return found


def cpu_seconds(root: int, proc: Path = PROC) -> float:
    """Return the CPU time of the tree, with that of children which have ended."""
    ticks = 0
    for pid in tree(root, proc):
        with contextlib.suppress(OSError, IndexError):
            ticks += sum(map(int, stat_fields(pid, proc)[11:15]))  # utime, stime, cutime, cstime
    return ticks / TICKS


def pss_bytes(root: int, proc: Path = PROC) -> int:
    """Return the proportional set size of the tree: a page that four processes share counts a quarter in each."""
    total = 0
    for pid in tree(root, proc):
        with contextlib.suppress(OSError):
            for line in (proc / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * KB
    return total


def signal_all(pids: set[int], number: signal.Signals) -> None:
    """Signal those that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def gone(pids: set[int], seconds: float) -> bool:
    """Wait until none of the processes is there any more; tell whether that was so in time."""
    deadline = time.monotonic() + seconds
    while any((PROC / str(pid)).exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
