"""What becomes of a server's workers meanwhile: their memory, and whether they live."""

from pathlib import Path

from server import descendants


def workers_of(pid: int) -> set[int]:
    """Return the workers of the server whose first process is *pid*: gunicorn's children."""
    tree = descendants(pid)
    arbiters = {child for child, (parent, command) in tree.items() if parent == pid and "gunicorn" in command}
    return {child for child, (parent, _) in tree.items() if parent in arbiters}


def pss_megabytes(pids: set[int]) -> float:
    """Return the memory of the processes, each with its share of what they share."""
    return sum(pss_kilobytes(pid) for pid in pids) / 1024


def pss_kilobytes(pid: int) -> int:
    """Return a process's proportional set size, 0 where it has gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
