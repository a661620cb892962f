"""What this container may use: CPUs and memory, from the scheduler, the cgroups (v1 and v2) and the machine."""

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
MACHINE = Path("/proc/meminfo")


def available_cpus(affinity: int | None = None, cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float:
    """Return the smaller of the CPU affinity and the cgroup quotas; `os.cpu_count` sees neither."""
    allowed = affinity if affinity is not None else usable_processors()
    quotas = [*quotas_v2(cgroups, membership), *quotas_v1(cgroups, membership)]
    return min([float(allowed), *quotas])


def usable_processors() -> int:
    """Return how many processors the scheduler may put us on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quotas_v2(cgroups: Path, membership: Path) -> Iterator[float]:
    """Yield the CPU quotas of our cgroup and its parents, where cgroup v2 is mounted."""
    for folder in own_folders(cgroups, membership, ""):
        quota, _, period = read_text(folder / "cpu.max").partition(" ")
        if quota.isdecimal() and period.isdecimal():
            yield int(quota) / int(period)


def quotas_v1(cgroups: Path, membership: Path) -> Iterator[float]:
    """Yield the CPU quotas of our cgroup and its parents, where cgroup v1 has the cpu controller."""
    for folder in own_folders(cgroups / "cpu", membership, "cpu"):
        quota = read_text(folder / "cpu.cfs_quota_us")
        period = read_text(folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal():  # an unlimited quota is -1, which is no decimal
            yield int(quota) / int(period)


def available_memory(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP, machine: Path = MACHINE) -> int | None:
    """Return the bytes that we may use: the machine's or the least of the cgroup limits; None if nothing says so."""
    limits = [*limits_v2(cgroups, membership), *limits_v1(cgroups, membership), *machine_memory(machine)]
    return min(limits, default=None)


def limits_v2(cgroups: Path, membership: Path) -> Iterator[int]:
    """Yield the memory limits of our cgroup and its parents, where cgroup v2 is mounted."""
    for folder in own_folders(cgroups, membership, ""):
        for name in ("memory.max", "memory.high"):
            limit = read_text(folder / name)
            if limit.isdecimal():  # no limit is the word `max`
                yield int(limit)


def limits_v1(cgroups: Path, membership: Path) -> Iterator[int]:
    """Yield the memory limits of our cgroup and its parents; without one, the file holds more than any machine has."""
    for folder in own_folders(cgroups / "memory", membership, "memory"):
        limit = read_text(folder / "memory.limit_in_bytes")
        if limit.isdecimal():
            yield int(limit)
        for line in read_text(folder / "memory.stat").splitlines():
            name, _, amount = line.partition(" ")
            if name == "hierarchical_memory_limit":  # a parent's too, which may not be seen from inside
                yield int(amount)


def oom_kills(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int | None:
    """Return how many processes of our cgroup the kernel has killed for want of memory; None if nothing says so."""
    v2 = [folder / "memory.events" for folder in own_folders(cgroups, membership, "")]
    v1 = [folder / "memory.oom_control" for folder in own_folders(cgroups / "memory", membership, "memory")]
    lines = [line.partition(" ") for path in (*v1, *v2) for line in read_text(path).splitlines()]
    counts = [int(amount) for name, _, amount in lines if name == "oom_kill"]
    return counts[-1] if counts else None  # the last is the one closest to us


def machine_memory(machine: Path) -> Iterator[int]:
    """Yield the machine's memory in bytes, where the kernel says it."""
    for line in read_text(machine).splitlines():
        name, _, amount = line.partition(":")
        if name == "MemTotal":
            yield int(amount.split()[0]) * 1024  # what is called kB there is KiB


def own_folders(mount: Path, membership: Path, controller: str) -> Iterator[Path]:
    """
    Yield *mount*, then each folder below it on the way to our own cgroup.

    Inside a container the mount usually *is* our cgroup and the path in `/proc/self/cgroup` is the host's,
    so folders that do not exist are simply not read.
    """
    yield mount
    for line in read_text(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            parts = Path(path).parts[1:]
            yield from (mount.joinpath(*parts[: end + 1]) for end in range(len(parts)))


def read_text(path: Path) -> str:
    """Return the file's text without its line end; empty when it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
