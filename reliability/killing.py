"""`kill -9` of workers that serve, at random moments."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from benchmark.errors import Refused, say
from reliability.processes import ready_workers

APART = 0.5  # seconds at least between two kills: a request whose second worker dies as well is refused by design
SETTLED = 0.25  # seconds at least that the victim has been ready: it has answered what its predecessor left
NOBODY = 30.0  # seconds without any ready worker, after which the run is over
Victims = Callable[[], Collection[int]]


def moments(number: int, seconds: float, chance: random.Random, apart: float = APART) -> list[float]:
    """Return *number* random moments within *seconds*, at least *apart*; raise `Refused` if there is no room."""
    free = seconds - number * apart
    if free < 0:
        raise Refused(f"{number} kills that are {apart:g} s apart take {number * apart:g} s; there are {seconds:g}.")
    return [
        moment + place * apart for place, moment in enumerate(sorted(chance.uniform(0, free) for _ in range(number)))
    ]


@dataclass
class Killer:
    """Kills one ready worker of the program *root* at each moment."""

    root: int
    chance: random.Random
    spared: Collection[int] = ()
    patience: float = NOBODY
    killed: list[tuple[float, int]] = field(default_factory=list)  # when, and which

    async def run(self, at: Collection[float], under_way: Callable[[], int] = lambda: 0) -> list[int]:
        """Kill at these moments from now; return how many requests were under way at each."""
        began, found = time.monotonic(), []
        for moment in at:
            earliest = self.killed[-1][0] + APART if self.killed else 0.0  # however long a victim was waited for
            await asyncio.sleep(max(0.0, max(began + moment, earliest) - time.monotonic()))
            victim = await self.victim()
            found.append(under_way())
            os.kill(victim, signal.SIGKILL)
            self.killed.append((time.monotonic(), victim))
            if len(self.killed) % 10 == 0:
                say(f"- {len(self.killed)} workers killed")
        return found

    async def victim(self) -> int:
        """Return a worker that has been ready for a while; wait for one if need be."""
        deadline = time.monotonic() + self.patience
        before: set[int] = set()
        while time.monotonic() < deadline:
            ready = set(ready_workers(self.root)) - set(self.spared)
            if stable := sorted(ready & before):
                return self.chance.choice(stable)
            before = ready
            await asyncio.sleep(SETTLED)
        raise Refused(f"no worker was ready for {self.patience:g} s: is the server still there?")

    def killed_within(self, began: float, ended: float) -> bool:
        """Tell whether a worker was killed between these moments."""
        return any(began <= moment <= ended for moment, _ in self.killed)
