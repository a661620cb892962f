"""Let a real Prometheus scrape `/metrics`, and compare what it says with what was sent, to the last request."""

import argparse
import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmark.errors import say
from benchmark.running import Running
from reliability import program
from reliability.accounts import line
from reliability.caller import Caller
from reliability.connection import Answer, Call
from reliability.mixture import calls_of
from reliability.processes import ready_workers
from reliability.prometheus import Prometheus, Values, scraping
from reliability.promises import Promise, Report
from reliability.servers import mixed_model, server_named, serving, wait_for_all

CALLERS = 8
OURS = '{path="/invocations"}'
QUERIES = {
    "requests, by status": f"sum by (status) (serving_requests_total{OURS})",
    "refusals, by code": "sum by (code) (serving_refusals_total) > 0",
    "requests, by the histogram": "sum(serving_request_seconds_count)",
    "bytes of requests": "sum(serving_request_bytes_total)",
    "bytes of answers": "sum(serving_response_bytes_total)",
    "workers that died": "sum(serving_worker_deaths_total)",
    "workers that started": "sum(serving_worker_starts_total)",
}


@dataclass
class Sent:
    """What was sent and came back, as the client counts it."""

    statuses: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    request_bytes: int = 0
    response_bytes: int = 0
    kills: int = 0

    def note(self, call: Call, answer: Answer) -> None:
        """Count one request."""
        self.statuses[str(answer.status)] += 1
        if answer.status != 200:
            self.codes[answer.error_code()] += 1
        self.request_bytes += len(call.data.partition(b"\r\n\r\n")[2])
        self.response_bytes += len(answer.body)

    def values(self) -> dict[str, Values]:
        """Return what Prometheus should say that came in addition."""
        one: dict[str, float] = {
            "requests, by the histogram": self.statuses.total(),
            "bytes of requests": self.request_bytes,
            "bytes of answers": self.response_bytes,
            "workers that died": self.kills,
            "workers that started": self.kills,
        }
        several = {"requests, by status": self.statuses, "refusals, by code": self.codes}
        return {**{name: dict(counts) for name, counts in several.items()}, **{name: {"": one[name]} for name in one}}


def scrape(options: argparse.Namespace) -> Report:
    """Start both, send what is known, and compare."""
    sent, chance = Sent(), random.Random(options.seed)  # noqa: S311
    with mixed_model() as model, serving(server_named(), model) as running, scraping(running.host) as prometheus:
        calls = asyncio.run(calls_of(model, ("127.0.0.1", running.port), running.host))
        before = seen_by(prometheus)
        say(f"- sending {options.requests} requests; one worker is killed halfway")
        asyncio.run(send(running, calls, sent, options.requests // 2, chance))
        kill_one(running, sent, chance)
        asyncio.run(send(running, calls, sent, options.requests - options.requests // 2, chance))
        after = seen_by(prometheus)
    return report(options, sent.values(), more(before, after))


async def send(running: Running, calls: dict[str, Call], sent: Sent, number: int, chance: random.Random) -> None:
    """Send *number* requests of all kinds from several connections."""
    chosen = chance.choices(list(calls.values()), k=number)

    async def some(first: int) -> None:
        caller = Caller(("127.0.0.1", running.port))
        for call in chosen[first::CALLERS]:
            sent.note(call, await caller.answer(call))
        caller.close()

    await asyncio.gather(*(some(first) for first in range(CALLERS)))


def kill_one(running: Running, sent: Sent, chance: random.Random) -> None:
    """Kill a worker while nothing is under way, and wait for the next: its numbers must not be lost with it."""
    before = ready_workers(running.process.pid)
    os.kill(chance.choice(before), signal.SIGKILL)
    sent.kills += 1
    wait_for_all(running, len(before), instead_of=before)


def seen_by(prometheus: Prometheus) -> dict[str, Values]:
    """Return what it knows once it has scraped anew."""
    prometheus.wait_for_scrape()
    return {name: prometheus.values(query) for name, query in QUERIES.items()}


def more(before: dict[str, Values], after: dict[str, Values]) -> dict[str, Values]:
    """Return what came in between, label by label; what did not change is left out."""
    found = {
        name: {label: value - before[name].get(label, 0.0) for label, value in values.items()}
        for name, values in after.items()
    }
    return {name: {label: value for label, value in values.items() if value} for name, values in found.items()}


def report(options: argparse.Namespace, sent: dict[str, Values], seen: dict[str, Values]) -> Report:
    """Return what came of it."""
    promises = [
        Promise(name, in_words(sent[name]), in_words(seen.get(name, {})), sent[name] == seen.get(name))
        for name in QUERIES
    ]
    queries = [line(name, (f"`{query}`",)) for name, query in QUERIES.items()]
    table = "\n".join(
        ["What was asked of Prometheus, before and after:\n", line("", ("query",)), "|---|---|", *queries]
    )
    settings = program.settings_of(options, "requests", "seed")
    return Report("scrape", settings, promises, {"sent": sent, "prometheus": seen}, [table])


def in_words(values: Values) -> str:
    """Return numbers by label in a line."""
    return ", ".join(f"{label} {value:,.0f}".strip() for label, value in sorted(values.items())) or "none"


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit status."""
    parser = program.parser_of("scrape", __doc__)
    parser.add_argument("--requests", type=int, default=1000, help="that are sent (default: %(default)s)")
    return program.run(parser, scrape, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
