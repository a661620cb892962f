"""The verbs about jobs on the command line of `python -m deploy`."""

import argparse
from collections.abc import Callable

from deploy.job import verbs

Add = Callable[..., argparse.ArgumentParser]

DATA = "a path on this machine, or an address in S3 (default: what the job's file names)"


def jobs(add: Add, owner: str) -> None:
    """Add them; *owner* is whom to ask about a new job, by default."""
    new = _of_job(add, "new-job", verbs.new_job, "write the file of a new job")
    new.add_argument("--image", default="", help="what build_and_push.sh prints")
    new.add_argument("--model", default="", help="the model folder with preprocess.py and code/train.py")
    new.add_argument("--owner", default=owner, help="whom to ask about it (default: %(default)s)")
    process = _of_job(add, "process", verbs.process, "run a processing job; prints where what it made lies")
    process.add_argument("--data", help=f"one file: {DATA}")
    train = _of_job(add, "train", verbs.train, "run a training job; prints the address of the model's archive")
    train.add_argument("--data", help=f"the channels' folders lie below it: {DATA}")
    _of_job(add, "job-status", verbs.status, "show a job's latest runs, their logs and what they cost")
    destroy = _of_job(add, "destroy-job", verbs.destroy, "remove the role of a job; says what stays")
    for verb in (process, train, destroy):
        verb.add_argument("--dry-run", action="store_true", help="show what would be done, and change nothing")


def _of_job(add: Add, name: str, run: Callable[[argparse.Namespace], int], about: str) -> argparse.ArgumentParser:
    verb = add(name, help=about, description=run.__doc__)
    verb.add_argument("job", help="the name of a file in deploy/jobs, without .toml")
    verb.set_defaults(run=run)
    return verb
