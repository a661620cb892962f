"""Ten times more than the model can do: what is answered, how fast the rest is refused, and what is left afterwards."""

import argparse
import asyncio
import itertools
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.catalogue import CATALOGUE, OURS, PATTERN
from benchmark.errors import Refused, Unfit, say
from benchmark.model import Model
from benchmark.running import Running
from reliability import program
from reliability.accounts import Fate, Ledger, Outcome
from reliability.caller import Caller
from reliability.comparison import Seen, compared
from reliability.connection import Call
from reliability.loops import PAUSE, OpenLoop, closed_loop
from reliability.promises import Promise, Report, account, at_least, at_most, none_of
from reliability.servers import SECONDS_OF_CPU, WORKERS, burning_model, server_named, serving

TIMES = 10  # as much as the model can do, is offered
RATE = TIMES * WORKERS / SECONDS_OF_CPU  # per second
USEFUL = 2.0  # seconds, within which an answer is worth something to somebody who waits
PINGS = 20  # a second, each on a connection of its own
PING_PATIENCE = 2.0  # seconds; SageMaker waits no longer
CALM = 5.0  # seconds of closed loop, to learn what the model can do
ALONE = 5  # requests, one after the other, to learn what full speed is
FULL_SPEED = 1.5  # times what a request alone takes
IMPATIENT = 3.0  # seconds after the end, in which nobody waits for more than full speed
RECOVERY = 60.0  # seconds, after which nobody waits any more
PEERS = (PATTERN, "mlflow", "bentoml", "litserve", "mlserver", "fastapi")
BESIDE = "beside the load, which is on its machine"
RIGHT = (Fate.ANSWERED, Fate.REFUSED)
REFUSALS = (Fate.REFUSED, Fate.REFUSED_BARE)


@dataclass
class Answers:
    """The moments at which answers came, and how long they took."""

    came: list[Outcome] = field(default_factory=list)

    def note(self, outcome: Outcome) -> Outcome:
        """Remember an answer."""
        if outcome.fate is Fate.ANSWERED:
            self.came.append(outcome)
        return outcome

    def useful(self, until: float) -> int:
        """Return how many came in time for those who waited, and while the load lasted."""
        return sum(outcome.seconds <= USEFUL and outcome.ended <= until for outcome in self.came)


async def tried(running: Running, rate: float, seconds: float, calm: float) -> Seen:
    """Measure what the server can do, then offer it *rate* requests a second, and see it recover."""
    address = ("127.0.0.1", running.port)
    call = Call("prediction", running.request.as_http(running.host))
    ping = Call("ping", f"GET {running.server.health} HTTP/1.1\r\nHost: {running.host}\r\n\r\n".encode())
    alone = await lone_seconds(Caller(address), call)
    capacity = await closed_rate(address, call, calm)
    say(f"- {running.server.name}: {capacity:.1f}/s at most, {alone * 1000:.0f} ms alone; {rate:g}/s for {seconds:g} s")
    ledger, pings, answers = Ledger(), Ledger(), Answers()
    load = OpenLoop(address, itertools.repeat(call), ledger, fresh=True, judge=answers.note)
    health = OpenLoop(address, itertools.repeat(ping), pings, fresh=True, patience=PING_PATIENCE)
    before = time.process_time()
    end, _ = await asyncio.gather(load.run(rate, seconds), health.run(PINGS, seconds))
    cpu = (time.process_time() - before) / seconds
    recovery, *_ = await asyncio.gather(
        recovered(Caller(address, fresh=True), call, alone), load.settle(), health.settle()
    )
    return Seen(
        running.server.name,
        capacity=round(capacity, 2),
        useful=round(answers.useful(end) / seconds, 2),
        refused_p50=ledger.milliseconds(0.5, *REFUSALS),
        refused_p99=ledger.milliseconds(0.99, *REFUSALS),
        answered_p99=ledger.milliseconds(0.99, Fate.ANSWERED),
        ping_p99=pings.milliseconds(0.99, Fate.ANSWERED),
        pings=pings.by_fate(),
        recovery_seconds=recovery,
        fates=ledger.by_fate(),
        generator_cpu=round(cpu, 3),
        cpus=len(os.sched_getaffinity(0)),
        ledger=ledger,
    )


async def lone_seconds(caller: Caller, call: Call) -> float:
    """Return what a request takes that finds the server idle: the median of a few."""
    outcomes = [await caller.ask(call) for _ in range(ALONE)]
    caller.close()
    if failed := [outcome for outcome in outcomes if outcome.fate is not Fate.ANSWERED]:
        raise Unfit(f"it does not answer even one request at a time: {failed[0].fate} {failed[0].detail}")
    return statistics.median(outcome.seconds for outcome in outcomes)


async def closed_rate(address: tuple[str, int], call: Call, seconds: float) -> float:
    """Return how many requests a second are answered when each worker always has one, and one more to go on with."""
    ledger, began = Ledger(), time.monotonic()
    callers = [Caller(address) for _ in range(2 * WORKERS)]
    over = began + seconds
    await asyncio.gather(
        *(closed_loop(caller, itertools.repeat(call), ledger, lambda: time.monotonic() > over) for caller in callers)
    )
    return ledger.count(Fate.ANSWERED) / (time.monotonic() - began)


async def recovered(caller: Caller, call: Call, alone: float) -> float | None:
    """
    Return after how many seconds somebody who asks is served at full speed; None if not within a minute.

    At first who is not served at full speed leaves, so as not to add to what is waited for. A server that goes on
    computing for those who have left would never be done with them, so later on each waits for its answer.
    """
    began = time.monotonic()
    while (now := time.monotonic()) - began < RECOVERY:
        soon = now - began < IMPATIENT
        caller.patience = FULL_SPEED * alone if soon else RECOVERY - (now - began)
        outcome = await caller.ask(call)
        if outcome.fate is Fate.ANSWERED and outcome.seconds <= FULL_SPEED * alone:
            return round(outcome.began - began, 2)
        await asyncio.sleep(0 if outcome.fate is Fate.ANSWERED else PAUSE)
    return None


def promises(seen: Seen) -> list[Promise]:
    """Return what is promised of our server, and whether it was so."""
    ledger = seen.ledger
    resets = ledger.count(Fate.LOST, Fate.BROKEN, Fate.TURNED_AWAY)
    recovery = RECOVERY if seen.recovery_seconds is None else seen.recovery_seconds
    return [
        at_least(f"useful answers, of what the model can do {BESIDE}", 100 * seen.useful / seen.possible, 95, "%"),
        at_most("p99 of a refusal", seen.refused_p99, 20, "ms"),
        at_most("p99 of /ping meanwhile", seen.ping_p99, 20, "ms"),
        none_of("pings that were not answered with 200", seen.failed_pings),
        none_of("connections that were reset or refused", resets),
        none_of("requests neither answered nor refused with Retry-After", ledger.unless(*RIGHT)),
        at_most("until full speed after the end", recovery, 1, "s"),
    ]


def overload(options: argparse.Namespace) -> Report:
    """Try our server, and those it is compared with."""
    with burning_model() as model:
        ours = one(OURS, model, options)
        everything, left_out = [ours], []
        for name in options.against or ():
            try:
                everything.append(one(name, model, options))
            except Unfit as unfit:
                say(f"- {name} is left out: {unfit}")
                left_out.append(f"- {name} is left out: {unfit}")
    if options.plot:
        from reliability.drawing import draw_overload

        draw_overload([seen.figures() for seen in everything], options.plot)
    figures = {"servers": [seen.figures() for seen in everything], "left_out": left_out}
    load = (
        f"The load took {ours.generator_cpu:.1%} of one of the {ours.cpus} CPUs, which the model has to itself when it "
        f"shows what it can do: the useful answers are {ours.useful / ours.capacity:.1%} of that."
    )
    tables = [compared(everything), *(["\n".join(left_out)] if left_out else []), account(ours.ledger), load]
    settings = program.settings_of(options, "rate", "seconds")
    return Report("overload", settings, promises(ours), figures, tables)


def one(name: str, model: Model, options: argparse.Namespace) -> Seen:
    """Try one server."""
    with serving(server_named(name), model) as running:
        return asyncio.run(tried(running, options.rate, options.seconds, options.calm))


def chosen(names: Sequence[str]) -> list[str]:
    """Return the peers of these names, all where none is named; raise `Refused` for an unknown one."""
    known = [server.name for server in CATALOGUE if server.name != OURS]
    if unknown := [name for name in names if name not in known]:
        raise Refused(f"no server {', '.join(unknown)}: there are {', '.join(known)}.")
    return list(names or PEERS)


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit status."""
    parser = program.parser_of("overload", __doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of overload (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=RATE, help="requests a second (default: %(default)s)")
    parser.add_argument("--calm", type=float, default=CALM, help="seconds to learn what the model can do (%(default)s)")
    parser.add_argument("--against", nargs="*", metavar="SERVER", help=f"peers; none named: {', '.join(PEERS)}")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw useful answers and refusals by server")

    def begin(options: argparse.Namespace) -> Report:
        options.against = None if options.against is None else chosen(options.against)
        return overload(options)

    return program.run(parser, begin, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
