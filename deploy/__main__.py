"""Put images and models on SageMaker, as the files in deploy/stages say, and take them down again."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy import verbs
from deploy.api.verbs import add_verbs as api
from deploy.aws import in_words
from deploy.errors import Refused
from deploy.job.command import jobs
from deploy.marketplace.command import marketplace
from deploy.progress import say
from deploy.stage.files import KINDS

INTERRUPTED = 130  # what a shell says of a program that Ctrl-C has ended


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit status."""
    options = parser().parse_args(arguments)
    try:
        with in_words():
            return int(options.run(options))
    except Refused as refused:
        say("deploy: " + "\n  ".join(refused.lines))
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    top = argparse.ArgumentParser(prog="python -m deploy", description=__doc__)
    add = top.add_subparsers(title="verbs", required=True, metavar="VERB").add_parser
    for read in (_new_stage, _plan, _deploy, _status, _invoke, _transform, _destroy, _template, _package, marketplace):
        read(add)
    api(add)
    jobs(add, _whoever_this_is())
    return top


Add = Callable[..., argparse.ArgumentParser]


def _new_stage(add: Add) -> None:
    verb = _of_stage(add, "new-stage", verbs.new_stage, "write the file of a new stage")
    verb.add_argument("--kind", default="", help=f"one of {', '.join(KINDS)}")
    verb.add_argument(
        "--image", nargs="*", default=[], help="what build_and_push.sh prints; a pipeline may have several"
    )
    verb.add_argument(
        "--model", nargs="*", default=[], help="model folders, or archives in S3; none: it is in the image"
    )
    verb.add_argument("--owner", default=_whoever_this_is(), help="whom to ask about it (default: %(default)s)")


def _plan(add: Add) -> None:
    _of_stage(add, "plan", verbs.plan, "show what a deployment would change")


def _deploy(add: Add) -> None:
    _dry_run(_of_stage(add, "deploy", verbs.deploy, "make the stage what its file says"))


def _status(add: Add) -> None:
    _of_stage(add, "status", verbs.status, "show how the stage is; exit status 0 if it serves")


def _invoke(add: Add) -> None:
    verb = _of_stage(add, "invoke", verbs.call, "send a request; the answer goes to stdout as it came")
    verb.add_argument("--body", type=Path, help="a file with the request (default: the model's sample)")
    verb.add_argument("--content-type", help="its media type (default: by its extension)")
    verb.add_argument("--accept", help="the media type of the answer")


def _transform(add: Add) -> None:
    verb = _of_stage(add, "transform", verbs.transform_rows, "run a transform job; prints where its answers are")
    verb.add_argument("--rows", type=Path, help="a file or folder to send first (default: what is in S3)")
    verb.add_argument("--answers", type=Path, help="a folder to fetch the answers into (default: they stay in S3)")
    _dry_run(verb)


def _destroy(add: Add) -> None:
    _dry_run(_of_stage(add, "destroy", verbs.destroy, "remove everything of the stage that costs"))


def _template(add: Add) -> None:
    _of_stage(add, "template", verbs.template, "print the stage's CloudFormation template")


def _package(add: Add) -> None:
    verb = add("package", help="make or check a model's archive; prints where it is", description=verbs.pack.__doc__)
    verb.add_argument("model", help="a folder of models/, a path, or an archive to check")
    where = verb.add_mutually_exclusive_group()
    where.add_argument("--into", type=Path, help="the file to write (default: .cache/archives/MODEL/model.tar.gz)")
    where.add_argument("--to-s3", action="store_true", help="put it into S3, unless it is there")
    verb.add_argument("--bucket", help="which bucket (default: SageMaker's own, made if it is not there)")
    verb.set_defaults(run=verbs.pack)


def _of_stage(add: Add, name: str, run: Callable[[argparse.Namespace], int], about: str) -> argparse.ArgumentParser:
    verb = add(name, help=about, description=run.__doc__)
    verb.add_argument("stage", help="the name of a file in deploy/stages, without .toml")
    verb.set_defaults(run=run)
    return verb


def _dry_run(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--dry-run", action="store_true", help="show what would be done, and change nothing")


def _whoever_this_is() -> str:
    """Return whom git knows, or the name of the user."""
    try:
        said = subprocess.run(["git", "config", "user.email"], capture_output=True, text=True, check=False).stdout  # noqa: S607
    except FileNotFoundError:
        said = ""
    return said.strip() or os.environ.get("USER", "nobody")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
