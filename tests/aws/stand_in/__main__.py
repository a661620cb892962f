"""A stand-in for AWS on this machine: what `python -m deploy` and the AWS CLI need, with real containers behind it."""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
# This package with the registry beside it, and the runtime API; nothing from inside the package by a short name.
sys.path[:] = [
    str(HERE.parents[1]),
    str(HERE.parents[2] / "local_test"),
    *(p for p in sys.path if Path(p).resolve() != HERE),
]

EXAMPLES = """
examples:
  python tests/aws/stand_in
      prints the `export` lines that a terminal needs, and serves until Ctrl-C

  eval "$(python tests/aws/stand_in --print-environment)"
      the same lines, for the terminal beside it

  python tests/aws/stand_in --registry
      with a Docker registry in the place of ECR, to which images can be pushed

Models and endpoints are the containers of your own Docker engine. Nothing is kept when it ends.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    options = parser().parse_args(arguments)
    if options.print_environment:
        print(environment(options))
        return 0
    with tempfile.TemporaryDirectory(prefix="stand-in-") as temporary, ExitStack() as stack:
        return run(options, options.folder or Path(temporary), stack)


def run(options: argparse.Namespace, folder: Path, stack: ExitStack) -> int:
    """Serve from a folder; what was started goes onto the stack."""
    # Read by moto when it is imported: policies of AWS's own, such as those that a role names.
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    from aws.stand_in.engine import EngineError
    from aws.stand_in.hosting import Patience
    from aws.stand_in.server import StandIn
    from runtime.server import termination

    told = termination()
    patience = Patience(options.startup_seconds, options.bake_seconds)
    try:
        stand_in = StandIn(folder, (options.port, options.runtime_port), say, patience)
    except OSError as error:
        ports, reason = f"port {options.port} or {options.runtime_port}", os.strerror(error.errno or 0)
        return cannot_start(
            f"{ports} cannot be listened on: {reason}. Choose others: --port NUMBER --runtime-port NUMBER."
        )
    except EngineError as error:
        return cannot_start(f"endpoints are containers, and no Docker engine answers: {error}")
    stack.callback(stand_in.close)
    threading.Thread(target=stand_in.serve, daemon=True).start()
    if options.registry:
        say(f"the registry is {start_registry(stand_in.url, folder / 'registry', stack)}.")
    print(environment(options), flush=True)
    say(f"ready on {stand_in.url}; Ctrl-C ends it.")
    told.wait()
    say("removing the containers.")
    return 0


def start_registry(url: str, folder: Path, stack: ExitStack) -> str:
    """Start the registry that plays ECR, and return its host; it needs root, docker-registry and openssl."""
    from aws.registry import Registry

    folder.mkdir()
    return stack.enter_context(Registry(url, folder)).host


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    form = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser("stand_in", description=__doc__, epilog=EXAMPLES, formatter_class=form)
    add = made.add_argument
    add("--port", type=int, default=5566, help="of every service but one (default: 5566)")
    add("--runtime-port", type=int, default=5567, help="of the SageMaker runtime (default: 5567)")
    add("--registry", action="store_true", help="a registry in ECR's place; needs root, docker-registry and openssl")
    add("--startup-seconds", type=float, default=480, help="how long containers may take to start (default: 480)")
    add("--bake-seconds", type=float, default=2, help="how long alarms are watched after an update (default: 2)")
    add("--folder", type=Path, help="where models are extracted (default: a temporary folder)")
    add("--print-environment", action="store_true", help="print the `export` lines and end")
    return made


def environment(options: argparse.Namespace) -> str:
    """Return the lines that a terminal needs."""
    from aws.stand_in.environment import IN_THE_WAY, variables

    lines = variables(options.port, options.runtime_port).items()
    exports = "\n".join(f"export {name}={value}" for name, value in lines)
    return f"unset {' '.join(IN_THE_WAY)}\n{exports}"


def cannot_start(reason: str) -> int:
    """Say why, and return the exit status."""
    say(reason)
    return 1


def say(line: str) -> None:
    """Tell the person at the terminal."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
