"""How much memory a process takes, as the kernel counts it; nothing is guessed where it does not say."""

import os
from dataclasses import dataclass
from pathlib import Path

KIBIBYTE = 1024
PROCESSES = Path("/proc")
# What a worker takes beside the model's part: gevent, Flask, and the pages of our own code that it writes to.
WORKER = 16 * 1024 * KIBIBYTE


@dataclass(frozen=True)
class Footprint:
    """What the server takes, in bytes: `once` in all, and `each` for each worker."""

    once: int
    each: int
    model: int
    shared: bool


def measure(model: int | None, each: int | None, shared: bool) -> Footprint | None:
    """Return the footprint of this process and `serve`, its parent, and of workers of *each*; None without figures."""
    once = held_by(os.getpid())
    if once is None or model is None or each is None:
        return None
    return Footprint(once + (held_by(os.getppid()) or 0), each + WORKER, model, shared)


def growth(before: int | None, pid: int, processes: Path = PROCESSES) -> int | None:
    """Return by how many bytes a process has grown since it held *before*, None if nobody says."""
    now = held_by(pid, processes)
    return None if before is None or now is None else max(0, now - before)


def held_by(pid: int, processes: Path = PROCESSES) -> int | None:
    """
    Return the bytes that a process holds, of pages that it shares with others its part; None if nobody says.

    Pages of files are not counted, where the kernel tells them apart: it drops them at need. One that keeps no such
    sums, or keeps them from us, still knows the resident pages: more, never less.
    """
    sums = page_sums(pid, processes)
    if "Pss_Anon" in sums:
        return sums["Pss_Anon"] + sums.get("Pss_Shmem", 0)
    return sums["Pss"] if "Pss" in sums else resident(pid, processes)


def private_to(pid: int, processes: Path = PROCESSES) -> int | None:
    """
    Return the bytes that only this process holds, None if nobody says: no other figure tells them from shared.

    Clean pages are a file's, such as a model that is mapped into memory: the next worker will share them.
    """
    sums = page_sums(pid, processes)
    if "Private_Dirty" not in sums:
        return None
    return sums["Private_Dirty"] + sums.get("Private_Hugetlb", 0)


def page_sums(pid: int, processes: Path) -> dict[str, int]:
    """Return the kernel's sums over the memory of a process, in bytes; nothing where it does not tell."""
    try:
        lines = (processes / str(pid) / "smaps_rollup").read_text().splitlines()[1:]  # the first is the range
    except OSError:
        return {}
    return {name: int(amount.split()[0]) * KIBIBYTE for name, _, amount in (line.partition(":") for line in lines)}


def resident(pid: int, processes: Path) -> int | None:
    """Return the bytes of a process's resident pages."""
    try:
        return int((processes / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
