"""
Fuzz the readers and writers of requests: mutated inputs, guided by the branches that they reach.

Every input must give a value or a refusal with a 4xx, soon and in little memory; the fast readers must find what the
plain ones find. Progress is on standard error, one line for each target on standard output. What breaks a promise is
made smaller, printed and saved; the exit status is then 1.
"""

import argparse
import sys
from pathlib import Path

from fuzz.campaign import FINDINGS, Result, corpus_of, corpus_path, fuzz, is_available, smallest_cover
from fuzz.promises import bounded
from fuzz.targets import TARGETS

EXAMPLES = """
examples, in the top folder, with PYTHONPATH=container/code:tests:
  python -m fuzz                            a minute for each target
  python -m fuzz csv json --minutes 10      longer, for two of them
  python -m fuzz csv --runs 20000 --seed 7  the same inputs each time
  python -m fuzz csv --input FILE           what one input does
  python -m fuzz --minutes 10 --keep        and keep what reached something new in tests/fuzz/corpus
"""


def main() -> int:
    """Fuzz what the command line asks for."""
    arguments = parser().parse_args()
    if unknown := set(arguments.targets) - set(TARGETS):
        print(f"There is no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}.", file=sys.stderr)
        return 2
    if arguments.input:
        return replay(arguments.targets, arguments.input)
    if not is_available():
        print("Atheris is not installed: `make test` installs it, on Linux (x86-64).", file=sys.stderr)
        return 2
    limit = f"-runs={arguments.runs}" if arguments.runs else f"-max_total_time={round(arguments.minutes * 60)}"
    results = [fuzz_one(target, limit, arguments) for target in arguments.targets or TARGETS]
    return 1 if any(result.broken for result in results) else 0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    checks = "\n".join(f"  {name:13} {check.__doc__.splitlines()[0]}" for name, check in TARGETS.items())
    found = argparse.ArgumentParser(
        prog="python -m fuzz",
        description=__doc__,
        epilog=f"targets:\n{checks}\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("targets", nargs="*", metavar="TARGET", help="see below (default: all of them)")
    limit = found.add_mutually_exclusive_group()
    limit.add_argument("--minutes", type=float, default=1.0, help="for each target (default: 1)")
    limit.add_argument("--runs", type=int, help="inputs for each target, instead of minutes")
    found.add_argument(
        "--seed", type=int, default=1, help="the same runs and the same seed make the same inputs (default: 1)"
    )
    found.add_argument("--input", type=Path, help="check this one file and nothing else")
    found.add_argument(
        "--keep", action="store_true", help="keep the smallest set of inputs that reaches what was reached"
    )
    found.add_argument(
        "--findings", type=Path, default=FINDINGS, help=f"where to save what breaks a promise (default: {FINDINGS})"
    )
    return found


def replay(targets: list[str], path: Path) -> int:
    """Check one input, and let the exception show itself."""
    if len(targets) != 1:
        print("Name the one target that the input is for.", file=sys.stderr)
        return 2
    bounded(TARGETS[targets[0]], path.read_bytes())
    print(f"{targets[0]}: holds for {path}")
    return 0


def fuzz_one(target: str, limit: str, arguments: argparse.Namespace) -> Result:
    """Fuzz one target, and say what came of it."""
    result = fuzz(
        target, limit, arguments.seed, arguments.findings, lambda line: print(line, file=sys.stderr, flush=True)
    )
    if result.broken:
        print(result.broken.rstrip(), flush=True)
        return result
    kept = ""
    if arguments.keep:
        cover = smallest_cover(target, [*corpus_of(target), *result.found])
        corpus_path(target).write_text("".join(f"{data!r}\n" for data in cover))
        kept = f"; {len(cover)} are kept in {corpus_path(target)}"
    print(
        f"{target}: holds for {result.runs} inputs in {result.seconds:.0f} s (seed {arguments.seed}){kept}", flush=True
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
