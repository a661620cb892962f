"""Read a job's file; say in words what is wrong with it."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deploy.errors import Refused
from deploy.job.kinds import JobFile
from deploy.job.rules import require_possible
from deploy.stage.files import STAGE_NAME
from deploy.stage.wording import in_words

JOBS = Path(__file__).parents[1] / "jobs"
LONGEST_NAME = 39  # SageMaker's 63 for a job, less "-process-20261120-170509"


def require_job_name(name: str) -> str:
    """Return *name*; raise `Refused` if SageMaker's jobs could not begin so."""
    if not name:
        raise Refused("No job was named: JOB=name is a file in deploy/jobs, without .toml.")
    if not STAGE_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise Refused(
            f"{name!r} cannot name a job: what SageMaker runs is named after it, and takes letters, digits and "
            f"hyphens, no hyphen at either end; here at most {LONGEST_NAME}."
        )
    return name


def read_job(name: str, folder: Path = JOBS) -> JobFile:
    """Return the job *name* of *folder*; raise `Refused` with everything that is wrong with its file."""
    path = folder / f"{require_job_name(name)}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Refused(f"no job {name}: looked for {path}.", *_what_there_is(folder)) from None
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is not TOML: {error}.") from None
    return parse_file(name, text, str(path))


def parse_file(name: str, text: str, where: str) -> JobFile:
    """Return the job that the text of a file describes; raise `Refused` with everything that is wrong with it."""
    try:
        return parse_job(name, tomllib.loads(text), where)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{where} is not TOML: {error}.") from None


def parse_job(name: str, content: Mapping[str, Any], where: str) -> JobFile:
    """Return the job that *content* describes; raise `Refused` with everything that is wrong with it."""
    if "name" in content:
        raise Refused(f"{where} is no job:", f"name: a job is called what its file is called, here {name}.")
    try:
        job = JobFile.model_validate({**content, "name": name})
    except ValidationError as error:
        raise Refused(f"{where} is no job:", *in_words(error, JobFile)) from None
    require_possible(job, where)
    return job


def _what_there_is(folder: Path) -> Iterator[str]:
    jobs = sorted(path.stem for path in folder.glob("*.toml"))
    yield f"The jobs here: {', '.join(jobs)}." if jobs else "There is no job yet."
    yield "make new_job makes one: make new_job JOB=reviews MODEL=review_classifier IMAGE=…"
