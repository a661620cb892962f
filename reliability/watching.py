"""What the server's processes hold, sampled over time, and whether it grows."""

import asyncio
import statistics
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.processes import pss_bytes, tree
from reliability.processes import descriptors_of, roles, workers_of, zombies

MB = 1024**2
Held = dict[str, tuple[int, int]]  # by role: processes, descriptors
WARM_UP = 60.0  # seconds, after which a worker has as much as an old one
ENOUGH = 30  # samples for a line
LONG_ENOUGH = 600.0  # seconds; in a shorter run everything still warms up, which tells nothing of growth
IDLE = 20.0  # seconds, within which nginx and the workers have closed what they kept for the next request


@dataclass
class Sample:
    """What the processes held at one moment."""

    seconds: float  # since the beginning
    pss_mb: float
    workers: dict[int, float]  # MB (PSS) by process id
    processes: int
    descriptors: int
    dead: set[int]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**vars(self), "dead": sorted(self.dead)}


@dataclass
class Watch:
    """Samples of the processes below *root*."""

    root: int
    every: float
    began: float = field(default_factory=time.monotonic)
    samples: list[Sample] = field(default_factory=list)

    async def run(self, seconds: float) -> None:
        """Take samples for so long."""
        while time.monotonic() - self.began < seconds:
            self.samples.append(await asyncio.to_thread(self.sample))
            await asyncio.sleep(self.every)

    def sample(self) -> Sample:
        """Take one sample."""
        seconds = round(time.monotonic() - self.began, 1)
        workers = {pid: round(pss_bytes(pid) / MB, 2) for pid in sorted(workers_of(self.root))}
        everything = tree(self.root)
        held = sum(map(descriptors_of, everything))
        whole = round(pss_bytes(self.root) / MB, 2)
        return Sample(seconds, whole, workers, len(everything), held, zombies(self.root))

    def growth(self, kills: Collection[float] = (), of: int | None = None) -> float | None:
        """
        Return the growth in percent over the second half, by the line that fits best; None where that tells nothing.

        Args:
            kills: moments of the monotonic clock; samples soon after one do not count, for a worker is young then;
            of: a worker that lives as long as the run; the sum of all processes if None.
        """
        young = [(killed - self.began, killed - self.began + WARM_UP) for killed in kills]
        points = [
            (sample.seconds, sample.pss_mb if of is None else sample.workers[of])
            for sample in self.samples[len(self.samples) // 2 :]
            if (of is None or of in sample.workers)
            and not any(first <= sample.seconds <= last for first, last in young)
        ]
        long_enough = self.samples[-1].seconds >= LONG_ENOUGH and len(points) >= ENOUGH
        return percent(points) if long_enough else None

    def left_dead(self) -> set[int]:
        """Return those that were dead in two samples running: nobody asks for their status."""
        pairs = zip(self.samples, self.samples[1:], strict=False)
        return set().union(*(one.dead & other.dead for one, other in pairs))

    def ended_unasked(self, killed: Collection[int]) -> set[int]:
        """Return the workers that were seen, are gone, and were not killed by us."""
        seen = set().union(*(sample.workers for sample in self.samples))
        return seen - set(self.samples[-1].workers) - set(killed)


def percent(points: Sequence[tuple[float, float]]) -> float:
    """Return by how many percent the fitted line rises from its first point to its last."""
    slope, start = statistics.linear_regression(*zip(*points, strict=True))
    first, last = (start + slope * points[place][0] for place in (0, -1))
    return round(100 * (last / first - 1), 2)


def held_by(root: int) -> Held:
    """Return how many processes there are of each role, and how many descriptors these have open."""
    held: Held = {}
    for pid, role in sorted(roles(root).items()):
        processes, descriptors = held.get(role, (0, 0))
        held[role] = processes + 1, descriptors + descriptors_of(pid)
    return dict(sorted(held.items()))


async def held_when_idle(root: int, before: Held) -> Held:
    """Return the same once it is no more than *before*, or when that has been waited for in vain."""
    deadline = time.monotonic() + IDLE
    while not no_more(now := held_by(root), before) and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.2)
    return now


def no_more(now: Held, before: Held) -> bool:
    """Tell whether there are as many processes of each role, with no more open."""
    same = {role: held[0] for role, held in now.items()} == {role: held[0] for role, held in before.items()}
    return same and all(now[role][1] <= before[role][1] for role in now)


def in_words(held: Held) -> str:
    """Return it in a line."""
    return ", ".join(f"{processes} {role} {descriptors}" for role, (processes, descriptors) in held.items())
