"""Stop the server with SIGTERM while requests never cease: what it has accepted it answers, and it ends in time."""

import argparse
import asyncio
import math
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmark.errors import say
from benchmark.model import Model
from benchmark.running import Running
from benchmark.wire import CSV, Request
from reliability import program
from reliability.accounts import Fate, Ledger, Outcome
from reliability.caller import NEW, Caller
from reliability.connection import Call
from reliability.loops import closed_loop
from reliability.promises import Promise, Report, account, none_of
from reliability.servers import burning_model, server_named, serving

KEPT, FRESH = 8, 8  # clients that keep their connection, and that open one for each request
LOAD = (0.3, 1.0)  # seconds before the signal: the shortest and the longest
SHORT, LONG = (0.001, 0.01), 0.3  # seconds of CPU that a prediction takes
ONE_IN = 50  # of the predictions is long
AT_ONCE = 0.1  # seconds around the first refused connection, within which the kernel resets what nobody accepted
IN_TIME = 25.0  # seconds from SIGTERM to the end; SageMaker kills after 30
ACCEPTABLE = (Fate.ANSWERED, Fate.REFUSED, Fate.TURNED_AWAY, Fate.UNACCEPTED)


@dataclass
class Stops:
    """What came of all the stops."""

    ledger: Ledger = field(default_factory=Ledger)
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int | None] = field(default_factory=Counter)
    under_way: int = 0


def calls_of(kind: str, host: str, chance: random.Random) -> Iterator[Call]:
    """Yield predictions that take different times, each with the answer that it must get."""
    while True:
        seconds = LONG if chance.randrange(ONE_IN) == 0 else round(chance.uniform(*SHORT), 4)
        request = Request("/invocations", CSV, f"{seconds},1.0\n".encode())
        yield Call(kind, request.as_http(host), body=f"{seconds + 1.0!r}\n".encode())


async def stopped(running: Running, chance: random.Random, stops: Stops) -> None:
    """Load the server, send SIGTERM, and go on asking until it is gone."""
    address, ends = ("127.0.0.1", running.port), Ends()
    kinds = [("on a kept connection", False)] * KEPT + [("on a new connection", True)] * FRESH
    loops = [
        closed_loop(
            Caller(address, fresh=fresh, patience=2 * IN_TIME),
            calls_of(kind, running.host, chance),
            stops.ledger,
            stopped=lambda: running.process.poll() is not None,
            judge=ends.note,
        )
        for kind, fresh in kinds
    ]
    await asyncio.gather(asyncio.to_thread(terminate, running, chance.uniform(*LOAD), stops), *loops)
    for outcome in ends.unaccepted():
        stops.ledger.rebook(outcome, Fate.UNACCEPTED)


@dataclass
class Ends:
    """The requests that were lost, and when nobody listened any more."""

    lost: list[Outcome] = field(default_factory=list)
    closed: float = math.inf

    def note(self, outcome: Outcome) -> Outcome:
        """See a request's end."""
        if outcome.fate is Fate.LOST:
            self.lost.append(outcome)
        elif outcome.fate is Fate.TURNED_AWAY:
            self.closed = min(self.closed, outcome.ended)
        return outcome

    def unaccepted(self) -> list[Outcome]:
        """Return those on new connections that were reset as the port closed: what is accepted outlives that."""
        return [one for one in self.lost if one.detail.startswith(NEW) and abs(one.ended - self.closed) <= AT_ONCE]


def terminate(running: Running, after: float, stops: Stops) -> None:
    """Send the signal after a while, wait for the end, and note when and how that came."""
    time.sleep(after)
    stops.under_way += stops.ledger.under_way
    began = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    while running.process.poll() is None and time.monotonic() - began < 2 * IN_TIME:
        time.sleep(0.01)
    stops.seconds.append(round(time.monotonic() - began, 2))
    stops.statuses[running.process.returncode] += 1


def terms(options: argparse.Namespace) -> Report:
    """Stop one server after the other."""
    chance, stops = random.Random(options.seed), Stops()  # noqa: S311
    with burning_model() as model:
        for number in range(1, options.stops + 1):
            one(model, chance, stops)
            say(f"- stop {number} of {options.stops}: {stops.seconds[-1]} s, {stops.ledger.by_fate()}")
    return report(options, stops)


def one(model: Model, chance: random.Random, stops: Stops) -> None:
    """Start a server and stop it."""
    with serving(server_named(), model) as running:
        asyncio.run(stopped(running, chance, stops))


def report(options: argparse.Namespace, stops: Stops) -> Report:
    """Return what came of it."""
    ledger, slowest = stops.ledger, max(stops.seconds, default=0.0)
    otherwise = {str(status): number for status, number in stops.statuses.items() if status != 0}
    promises = [
        none_of("requests neither answered nor refused", ledger.unless(*ACCEPTABLE)),
        Promise("exit statuses other than 0", "none", str(otherwise or "none"), not otherwise),
        Promise("the slowest end", f"within {IN_TIME:g} s", f"{slowest:.1f} s", slowest <= IN_TIME),
    ]
    told = f"{stops.under_way:,} requests were under way at the {len(stops.seconds)} signals."
    figures = {"fates": ledger.by_fate(), "seconds": stops.seconds, "under_way_at_signals": stops.under_way}
    settings = program.settings_of(options, "stops", "seed")
    return Report("terms", settings, promises, figures, [told, account(ledger)])


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit status."""
    parser = program.parser_of("terms", __doc__)
    parser.add_argument("--stops", type=int, default=50, help="servers that are started and stopped (%(default)s)")
    return program.run(parser, terms, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
