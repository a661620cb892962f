"""Which program trains: from a channel, from a folder that was named, or the one in the image."""

import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from training.errors import TrainingError
from training.job import Job

CHANNEL = "code"
DEFAULT = "train.py"
ARCHIVE = "sourcedir.tar.gz"
PROGRAM, SUBMITTED = "SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY"


@dataclass(frozen=True)
class Script:
    """The program that trains, `name` in the folder `code`."""

    code: Path
    name: str

    @property
    def path(self) -> Path:
        """Return the file."""
        return self.code / self.name


def find_script(job: Job, environ: Mapping[str, str], baked: Path, scratch: Path) -> Script:
    """
    Return the program that trains; raise `TrainingError` with the place that was looked at if it is not there.

    Args:
        baked: the `code/` of the model in the image.
        scratch: where an archive is unpacked.
    """
    name = environ.get(PROGRAM) or str(job.platform.get("sagemaker_program") or DEFAULT)
    submitted = environ.get(SUBMITTED) or str(job.platform.get("sagemaker_submit_directory") or "")
    code = unpacked(code_place(job, submitted, baked, name), scratch)
    if not (code / name).is_file():
        raise TrainingError(missing(name, code))
    if Path(name).suffix != ".py":
        raise TrainingError(f"{code / name} is not a Python file. Name one with {PROGRAM}.")
    return Script(code, name)


def code_place(job: Job, submitted: str, baked: Path, name: str) -> Path:
    """Return where the code is; what was asked for by name is had, or the job ends."""
    if CHANNEL in job.channels:
        return job.channels[CHANNEL]
    if not submitted:
        return baked
    if "://" in submitted or not Path(submitted).exists():
        problem = "is not fetched: this needs no network" if "://" in submitted else "is not in this container"
        raise TrainingError(f"The code is said to be at {submitted}, which {problem}. {ways_to_bring(name)}")
    return Path(submitted)


def unpacked(place: Path, scratch: Path) -> Path:
    """Return the folder with the code: *place*, or what is in its archive."""
    archive = place / ARCHIVE if place.is_dir() else place
    if not archive.is_file():
        return place
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(scratch, filter="data")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise TrainingError(f"{archive} cannot be unpacked: {reason}. Make it with `tar -czf`.") from None
    return scratch


def missing(name: str, code: Path) -> str:
    """Say where the program was looked for."""
    if not code.is_dir():
        return f"No training program: there is neither a channel {CHANNEL!r} nor a folder {code}. {ways_to_bring(name)}"
    found = ", ".join(sorted(path.name for path in code.iterdir())[:12]) or "nothing"
    return f"No training program: looked for {code / name}, found {found}. Name yours with {PROGRAM}."


def ways_to_bring(name: str) -> str:
    """Say how a program is brought."""
    return f"Give the folder with {name} as the channel {CHANNEL!r}, or bake it in: --build-arg MODEL=name."
