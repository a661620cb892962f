"""How many workers, with how many threads each: from the CPUs that this container may really use."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serving.settings import Settings


@dataclass(frozen=True)
class Plan:
    """Workers and native threads; `workers * threads` never exceeds `cpus`, unless the operator says so."""

    cpus: float
    workers: int
    threads: int


def make_plan(settings: Settings, cpus: float) -> Plan:
    """Give each whole CPU a worker, or the operator's number of workers an equal share of the CPUs."""
    whole = max(1, int(cpus))
    workers = settings.workers or whole
    return Plan(cpus=cpus, workers=workers, threads=max(1, whole // workers))


def available_cpus(
    affinity: int | None = None,
    cgroups: Path = Path("/sys/fs/cgroup"),
    membership: Path = Path("/proc/self/cgroup"),
) -> float:
    """Return the smaller of the CPU affinity and the cgroup quotas (v1 and v2); `os.cpu_count` sees neither."""
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
