"""Kill workers at random while requests never cease: each of them is answered, and rightly."""

import argparse
import asyncio
import itertools
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmark.errors import say
from benchmark.model import read_model
from benchmark.models import folder_named
from benchmark.running import Running
from reliability import program
from reliability.accounts import Fate, Ledger
from reliability.caller import Caller
from reliability.connection import Call
from reliability.killing import APART, Killer, moments
from reliability.loops import closed_loop
from reliability.promises import Promise, Report, account, none_of
from reliability.servers import server_named, serving

SECONDS_A_KILL = 1.5  # on average: a worker is there again before the next one goes, mostly
CONNECTIONS = 16
REQUESTS = 100_000


def kills(options: argparse.Namespace) -> Report:
    """Start the server, load it, kill, and account for each request."""
    model = read_model(folder_named(options.model))
    with serving(server_named(), model, options.workers) as running:
        return asyncio.run(tried(running, options))


async def tried(running: Running, options: argparse.Namespace) -> Report:
    """Load and kill until all kills are done and enough was asked."""
    chance = random.Random(options.seed)  # noqa: S311
    seconds = max(options.kills * SECONDS_A_KILL, options.seconds)
    _, body = running.ask()
    call = Call("prediction", running.request.as_http(running.host), body=body)
    killer, ledger = Killer(running.process.pid, chance), Ledger()
    say(f"- {options.kills} kills within {seconds:.0f} s, {options.requests:,} requests or more")
    killing = asyncio.ensure_future(killer.run(moments(options.kills, seconds, chance), lambda: ledger.under_way))
    began = time.monotonic()

    def enough() -> bool:
        done = ledger.sent >= options.requests and killing.done()
        return done or running.process.poll() is not None

    callers = [Caller(("127.0.0.1", running.port)) for _ in range(CONNECTIONS)]
    loops = [closed_loop(caller, itertools.repeat(call), ledger, enough) for caller in callers]
    await asyncio.gather(killing, *loops)
    hits = killing.result()
    took = time.monotonic() - began
    return report(options, ledger, killer, {"seconds": round(took, 1), "under_way_at_kills": sum(hits)}, running)


def report(
    options: argparse.Namespace, ledger: Ledger, killer: Killer, seen: dict[str, Any], running: Running
) -> Report:
    """Return what came of it."""
    status = running.process.poll()
    promises = [
        none_of("requests not answered rightly", ledger.unless(Fate.ANSWERED)),
        none_of("requests that nobody can account for", ledger.under_way),
        Promise("the server after it", "runs", "runs" if status is None else f"ended with {status}", status is None),
    ]
    times = {
        name: ledger.milliseconds(share, Fate.ANSWERED) for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1))
    }
    figures = {**seen, "kills": len(killer.killed), "fates": ledger.by_fate(), "answers_ms": times}
    rate = ledger.sent / seen["seconds"]
    hit = f"with {seen['under_way_at_kills']:,} requests under way at those moments"
    told = (
        f"{len(killer.killed)} workers were killed in {seen['seconds']:g} s, {hit}; {rate:,.0f} requests a second; "
        f"answers p50 {times['p50']} ms, p99 {times['p99']} ms, the slowest {times['max']} ms."
    )
    settings = program.settings_of(options, "model", "kills", "requests", "workers", "seed")
    return Report("kills", settings, promises, figures, [told, account(ledger)])


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit status."""
    parser = program.parser_of("kills", __doc__)
    parser.add_argument("--kills", type=int, default=100, help=f"at least {APART:g} s apart (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="at least (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.0, help="at least; else 1.5 for each kill")
    parser.add_argument("--workers", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--model", default="abalone_predictor", help="a folder of models/ (default: %(default)s)")
    return program.run(parser, kills, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
