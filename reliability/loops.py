"""Closed loops, in which each client waits for its answer, and open ones, which send at a fixed rate."""

import asyncio
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmark.open_loop import schedule
from reliability.accounts import Fate, Ledger, Outcome
from reliability.caller import PATIENCE, Caller
from reliability.connection import Address, Call

MOST_FILES = 65536
PAUSE = 0.02  # seconds that a client waits after a refusal before it asks again

Judge = Callable[[Outcome], Outcome]


def allow_many_connections() -> None:
    """Let this process have as many as the system grants: a server that is silent holds thousands."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def as_it_was(outcome: Outcome) -> Outcome:
    """Judge nothing."""
    return outcome


async def closed_loop(
    caller: Caller, calls: Iterator[Call], ledger: Ledger, stopped: Callable[[], bool], judge: Judge = as_it_was
) -> None:
    """Ask one after the other until *stopped*, or until nobody listens any more."""
    try:
        for call in calls:
            if stopped():
                return
            ledger.sent += 1
            outcome = judge(await caller.ask(call))
            ledger.note(outcome)
            if outcome.fate is Fate.TURNED_AWAY:
                return
            if outcome.fate is not Fate.ANSWERED:
                await asyncio.sleep(PAUSE)
    finally:
        caller.close()


@dataclass
class OpenLoop:
    """Requests at a fixed rate, each in a task of its own, on connections that are used again or not."""

    address: Address
    calls: Iterator[Call]
    ledger: Ledger
    fresh: bool = False
    patience: float = PATIENCE
    judge: Judge = as_it_was  # sees each end, and may know better what it was
    idle: list[Caller] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, rate: float, seconds: float) -> float:
        """Send what is due for so long; return when that ended. Answers may still be on their way: see `settle`."""
        allow_many_connections()
        await schedule(self.offer, rate, seconds)
        return time.monotonic()

    def offer(self, intended: float) -> None:
        """Send the next request, which was meant for the moment *intended*."""
        self.ledger.sent += 1
        task = asyncio.ensure_future(self.one(next(self.calls), intended))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def one(self, call: Call, intended: float) -> None:
        """Ask, and book what came of it."""
        caller = self.idle.pop() if self.idle else Caller(self.address, self.fresh, self.patience)
        self.ledger.note(self.judge(await caller.ask(call, intended)))
        if caller.is_open:
            self.idle.append(caller)
        else:
            caller.close()

    async def settle(self) -> None:
        """Wait until each request has ended, if only by its client's patience, and close."""
        while self.tasks:
            await asyncio.wait(set(self.tasks))
        for caller in self.idle:
            caller.close()
