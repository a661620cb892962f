"""Measure this server beside others (run), or say what one instance of a model holds (tune)."""

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark import plan, results
from benchmark.catalogue import CATALOGUE
from benchmark.errors import Refused, Unfit, say
from benchmark.measuring import Run
from benchmark.plan import Plan

INTERRUPTED = 130  # what a shell says of a program that Ctrl-C has ended
Options = argparse.Namespace


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit status."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (Refused, Unfit) as error:
        say("benchmark: " + str(error).replace("\n", "\n  "))
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def run(options: Options) -> int:
    """Measure, write the results, and print the tables."""
    planned = plan_of(options)
    say(f"About {planned.minutes():.0f} minutes at the most; the machine should have nothing else to do.")
    job, status = Run(planned), 0
    try:
        job.measure()
    except KeyboardInterrupt:
        status = INTERRUPTED
        say("Interrupted: what follows is what was measured until then.")
    except Refused as error:
        status = 1
        say(f"Stopped: {error}\nWhat follows is what was measured until then.")
    document = results.as_document(planned, job.results)
    folder = options.into or results.FOLDER / datetime.now(UTC).strftime("%Y-%m-%dT%H%M")
    results.write(document, folder)
    draw(folder)
    sys.stdout.write((folder / "table.md").read_text())
    say(f"All of it is in {folder}.")
    return status


def plan_of(options: Options) -> Plan:
    """Return the plan with what the user wants otherwise."""
    planned = plan.quick() if options.quick else plan.full()
    if options.servers:
        planned = replace(planned, servers=plan.chosen(options.servers))
    wanted = {
        "models": options.models,
        "concurrencies": options.concurrency,
        "few_concurrencies": options.concurrency,
        "rates": options.rates,
        "worker_counts": options.workers,
        "rounds": options.rounds,
        "few_rounds": options.rounds,
        "seconds": options.seconds,
        "open_seconds": options.seconds,
        "memory_model": options.memory_model,
    }
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in wanted.items()}
    given = {name: value for name, value in given.items() if value is not None}
    return replace(planned, **given)


def tune(options: Options) -> int:
    """Find out what one instance of the user's own model holds, and print it."""
    from benchmark.tuner import Tuner

    tuner = Tuner(options.model, options.workers, options.p99_ms, options.safety, options.seconds)
    advice = tuner.advice()
    sys.stdout.write(advice.as_json() if options.json else advice.as_text())
    return 0


def draw(folder: Path) -> None:
    """Draw the plots of a run that was measured."""
    from benchmark.plots import draw_all

    for path in draw_all(results.read(folder), folder):
        say(f"- {path}")


def redraw(options: Options) -> int:
    """Write the tables and plots of a run anew, from its results.json."""
    results.write(results.read(options.folder), options.folder)
    draw(options.folder)
    return 0


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    top = argparse.ArgumentParser(prog="python -m benchmark", description=__doc__)
    verbs = top.add_subparsers(title="verbs", required=True, metavar="VERB")
    run_options(verbs.add_parser("run", help="measure our server beside others", description=run.__doc__))
    tune_options(verbs.add_parser("tune", help="what one instance of a model holds", description=tune.__doc__))
    again = verbs.add_parser("redraw", help="tables and plots anew", description=redraw.__doc__)
    again.add_argument("folder", type=Path, help="a folder of benchmark/results")
    again.set_defaults(run=redraw)
    return top


def run_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of `run`."""
    verb.add_argument("--quick", action="store_true", help="ours and the pattern, one round: a few minutes")
    verb.add_argument("--servers", nargs="+", help=f"of {', '.join(server.name for server in CATALOGUE)}")
    verb.add_argument("--models", nargs="+", help="names in models/, forest, large, linear, or paths")
    verb.add_argument("--concurrency", nargs="+", type=whole, help="numbers of connections")
    verb.add_argument("--rates", nargs="*", type=whole, help="requests per second that are offered; none: leave it out")
    verb.add_argument("--workers", nargs="*", type=whole, help="numbers of workers to measure the memory with")
    verb.add_argument("--memory-model", help="the model that is measured in memory (default: large)")
    verb.add_argument("--rounds", type=whole, help="how often the servers take turns")
    verb.add_argument("--seconds", type=float, help="how long each measurement takes")
    verb.add_argument("--into", type=Path, help="the results' folder (default: benchmark/results/DATE)")
    verb.set_defaults(run=run)


def tune_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of `tune`."""
    verb.add_argument("model", help="a folder of models/, or a path")
    verb.add_argument("--p99-ms", type=float, help="the budget (default: 100, or 5 times one request alone, if more)")
    verb.add_argument("--safety", type=share, default=0.5, help="AWS's SAFETY_FACTOR, to 1 (default: %(default)s)")
    verb.add_argument("--workers", type=whole, help="worker processes (default: one for each CPU)")
    verb.add_argument("--seconds", type=float, default=3.0, help="for each measurement (default: %(default)s)")
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(run=tune)


def whole(text: str) -> int:
    """Read a whole number above 0."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def share(text: str) -> float:
    """Read a number above 0, and at most 1."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and at most 1")
    return number


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no server is left behind
    sys.exit(main(sys.argv[1:]))
