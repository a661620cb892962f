"""What the programs have in common: a command line, results on stdout, and an exit status that says what they found."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmark.catalogue import ROOT
from benchmark.errors import Refused, Unfit, say
from benchmark.machine import describe
from reliability.promises import Report

BROKEN, UNABLE, INTERRUPTED = 1, 2, 130  # exit statuses; the last is what a shell says after Ctrl-C
Options = argparse.Namespace


def parser_of(name: str, about: str | None) -> argparse.ArgumentParser:
    """Return a parser with what each program has."""
    parser = argparse.ArgumentParser(prog=f"python -m reliability.{name}", description=about)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was found there, too")
    parser.add_argument("--seed", type=int, default=1, help="of what is random (default: %(default)s)")
    return parser


def settings_of(options: Options, *names: str) -> dict[str, Any]:
    """Return the options that shape a run."""
    return {name: getattr(options, name) for name in names}


def run(parser: argparse.ArgumentParser, program: Callable[[Options], Report], arguments: Sequence[str]) -> int:
    """Run the program; return 0 if all was kept, 1 if a promise was broken, 2 if it could not be tried."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no server is left behind
    options = parser.parse_args(arguments)
    try:
        report = program(options)
    except (Refused, Unfit) as error:
        say(f"{parser.prog}: " + str(error).replace("\n", "\n  "))
        return UNABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    machine = describe(ROOT)
    sys.stdout.write(report.page(machine))
    if options.json:
        report.write(options.json, machine)
        say(f"- {options.json}")
    return 0 if report.is_kept else BROKEN
