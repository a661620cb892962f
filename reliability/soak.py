"""Mixed load for an hour, with a worker killed now and then: every request accounted for, and nothing that grows."""

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import say
from benchmark.model import Model
from benchmark.running import Running
from reliability import program
from reliability.accounts import Fate, Ledger, Outcome, line
from reliability.killing import Killer, moments
from reliability.loops import OpenLoop
from reliability.mixture import STREAM, calls_of, mixed
from reliability.processes import ready_workers
from reliability.promises import Promise, Report, account, none_of
from reliability.servers import mixed_model, server_named, serving
from reliability.watching import Held, Sample, Watch, held_by, held_when_idle, in_words, no_more

GROWTH = 1.0  # percent over the second half
SAMPLES = 720  # in a run, at least half a second apart
ACCEPTABLE = (Fate.ANSWERED, Fate.REFUSED, Fate.GIVEN_UP, Fate.CUT)
NOTICED = 0.5  # seconds within which a client has seen that its stream was cut


@dataclass
class Run:
    """All that a run has to tell."""

    ledger: Ledger
    killer: Killer
    watch: Watch
    elder: int
    before: Held
    after: Held

    @property
    def killed(self) -> list[int]:
        """Return the process ids of the workers that were killed."""
        return [pid for _, pid in self.killer.killed]


def soak(options: argparse.Namespace) -> Report:
    """Start the server, load it for long, and account for everything."""
    with mixed_model() as model, serving(server_named(), model) as running:
        run = asyncio.run(tried(running, model, options))
    samples = [sample.as_json() for sample in run.watch.samples]
    if options.plot:
        from reliability.drawing import draw_memory

        draw_memory(samples, options.plot)
    figures = {"fates": run.ledger.by_fate(), "kills": len(run.killed), "samples": samples}
    settings = program.settings_of(options, "minutes", "rate", "kills_per_minute", "seed")
    tables = [f"{len(run.killed)} workers were killed.", over_time(run.watch.samples, run.elder), account(run.ledger)]
    return Report("soak", settings, promises(run), figures, tables)


async def tried(running: Running, model: Model, options: argparse.Namespace) -> Run:
    """Load, kill and watch, all at once."""
    root, seconds, chance = running.process.pid, options.minutes * 60, random.Random(options.seed)  # noqa: S311
    address = ("127.0.0.1", running.port)
    calls = await calls_of(model, address, running.host)
    before = held_by(root)
    elder = ready_workers(root)[0]  # never killed, so that it grows as old as the run
    killer, ledger = Killer(root, chance, spared=(elder,)), Ledger()
    load = OpenLoop(address, mixed(calls, chance), ledger, judge=lambda outcome: cut_by_a_kill(outcome, killer))
    watch = Watch(root, max(0.5, seconds / SAMPLES))
    kills = moments(round(options.kills_per_minute * options.minutes), 0.9 * seconds, chance)
    say(f"- {options.rate:g} requests a second for {options.minutes:g} minutes, {len(kills)} kills")
    await asyncio.gather(load.run(options.rate, seconds), watch.run(seconds), killer.run(kills), told(ledger, seconds))
    await load.settle()
    return Run(ledger, killer, watch, elder, before, after=await held_when_idle(root, before))


def promises(run: Run) -> list[Promise]:
    """Return what is promised, and whether it was so."""
    before, after, kills = run.before, run.after, [moment for moment, _ in run.killer.killed]
    return [
        none_of("requests that did not get what they should", run.ledger.unless(*ACCEPTABLE)),
        growth("growth of all processes over the second half", run.watch.growth(kills)),
        growth("growth of the worker that was never killed", run.watch.growth(kills, run.elder)),
        Promise("processes and their descriptors, idle", in_words(before), in_words(after), no_more(after, before)),
        none_of("dead processes that nobody asked for", len(run.watch.left_dead())),
        none_of("workers that ended unasked", len(run.watch.ended_unasked(run.killed))),
    ]


def cut_by_a_kill(outcome: Outcome, killer: Killer) -> Outcome:
    """Call it a cut where a stream broke off because its worker was killed: nobody can take over what has begun."""
    broke_off = outcome.kind == STREAM and outcome.fate is Fate.BROKEN
    if broke_off and killer.killed_within(outcome.ended - NOTICED, outcome.ended):
        return outcome._replace(fate=Fate.CUT, detail="")
    return outcome


def growth(about: str, found: float | None) -> Promise:
    """Return the promise that memory does not grow."""
    shown = "too short to tell" if found is None else f"{found:+.2f} %"
    return Promise(about, f"under {GROWTH:g} %", shown, None if found is None else found < GROWTH)


async def told(ledger: Ledger, seconds: float) -> None:
    """Say twenty times how it goes."""
    for number in range(1, 21):
        await asyncio.sleep(seconds / 20)
        say(f"- {number * 5} %: {ledger.by_fate()}")


def over_time(samples: Sequence[Sample], elder: int) -> str:
    """Return the memory at five moments."""
    headings = ("all processes, MB", "the oldest worker, MB", "processes", "descriptors")
    chosen = [samples[place * (len(samples) - 1) // 4] for place in range(5)]
    lines = [line("after", headings), "|---|" + "---:|" * len(headings)]
    for sample in chosen:
        mine = sample.workers.get(elder)
        cells = (f"{sample.pss_mb:.1f}", "-" if mine is None else f"{mine:.1f}", sample.processes, sample.descriptors)
        lines.append(line(f"{sample.seconds / 60:.1f} min", cells))
    return "Memory (PSS) and what else is held:\n\n" + "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit status."""
    parser = program.parser_of("soak", __doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="(default: %(default)s)")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second (default: %(default)s)")
    parser.add_argument("--kills-per-minute", type=float, default=0.5, help="(default: %(default)s)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the memory over time")
    return program.run(parser, soak, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
