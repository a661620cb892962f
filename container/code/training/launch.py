"""`train`: read the job, run the program, complete the model, prove that it can be served; tell of what went wrong."""

import argparse
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from serving.launch import SignalNotes
from serving.places import BAKED_MODEL
from training.completing import complete, require_model, require_servable
from training.errors import TrainingError, ended_badly
from training.folders import ROOT, Folders, make_writable, require_empty_model
from training.job import read_job
from training.running import run
from training.script import find_script
from training.variables import arguments_of, environment_of


def main(arguments: Sequence[str], environ: Mapping[str, str], baked: Path = BAKED_MODEL / "code") -> int:
    """Train; return the exit status, 0 only if there is a model that can be served."""
    notes = SignalNotes()  # before anything else: a SIGTERM at the beginning must not be lost
    folders = Folders(parse(arguments).root.absolute())
    try:
        train(folders, environ, baked, notes)
    except TrainingError as error:
        return tell(folders, str(error), error.status)
    except Exception as error:
        traceback.print_exc()
        return tell(folders, f"A fault of the image's own program `train`: {type(error).__name__}: {error}", 1)
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="train", description="Run the model's training program as SageMaker does.")
    parser.add_argument(
        "--root", type=Path, default=ROOT, help=f"where input/, model/ and output/ are (default: {ROOT})"
    )
    return parser.parse_args(arguments)


def train(folders: Folders, environ: Mapping[str, str], baked: Path, notes: SignalNotes) -> None:
    """Run the training program, and make of what it writes a model folder that can be served."""
    make_writable(folders)
    folders.failure.unlink(missing_ok=True)
    require_empty_model(folders.model)
    job = read_job(folders)
    with tempfile.TemporaryDirectory(prefix="training-") as scratch:
        script = find_script(job, environ, baked, Path(scratch))
        command = [sys.executable, str(script.path), *arguments_of(job.hyperparameters)]
        say(f"running {script.path} with {len(job.hyperparameters)} hyperparameters, channels: {[*job.channels]}")
        ended = run(command, environment_of(job, folders, script, environ), script.code, notes)
        if ended.status:
            raise ended_badly(script.name, ended.status, ended.log, stopped=ended.stopped)
        require_model(folders.model, script, ended)
        complete(folders.model, script)
    if not ended.stopped:  # there may be no time for it
        require_servable(folders.model, environ, notes)
    say(f"the model is in {folders.model}")


def tell(folders: Folders, message: str, status: int) -> int:
    """Write the message where SageMaker looks for it, unless the script has written its own, and return the status."""
    say(message)
    if not (folders.failure.is_file() and folders.failure.stat().st_size):
        try:
            folders.failure.write_text(message)
        except OSError as error:
            say(f"{folders.failure} cannot be written, so SageMaker will not show this: {error.strerror}")
    return status


def say(text: str) -> None:
    """Write a line to the log."""
    print(f"train: {text}", file=sys.stderr, flush=True)
