"""Run a transform job: send the rows, wait for the end, fetch the answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deploy import s3 as objects
from deploy.aws_errors import code_of, words_of
from deploy.errors import Refused
from deploy.progress import CLOCK, Clock, Say, listed, minutes, say
from deploy.s3 import S3Object
from deploy.stack.patience import patiently

LOG_GROUP = "/aws/sagemaker/TransformJobs"
UNDERWAY = ("InProgress", "Stopping")
PAUSE = 5.0  # s between two looks at the job
QUIET = 60.0  # s without news until it is said that there are none


@dataclass(frozen=True)
class Job:
    """
    A job to be run.

    Attributes:
        request: what CreateTransformJob takes: see `transform.planned`.
        rows: a file or folder on this machine that is sent first, None if the rows are in S3.
        answers: a folder on this machine that the answers are fetched into, None if they stay in S3.
    """

    sagemaker: Any
    s3: Any
    request: Mapping[str, Any]
    rows: Path | None = None
    answers: Path | None = None
    say: Say = say
    clock: Clock = CLOCK

    @property
    def name(self) -> str:
        """Return what SageMaker calls the job."""
        return str(self.request["TransformJobName"])

    @property
    def source(self) -> str:
        """Return what the addresses of the rows begin with."""
        return str(self.request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])

    @property
    def target(self) -> str:
        """Return the place of the answers."""
        return str(self.request["TransformOutput"]["S3OutputPath"])


def run(job: Job) -> str:
    """
    Run the job to its end and return where the answers are.

    An interrupt stops the job: it would be paid for until its end, and nobody would look at it.

    Raises:
        Refused: if there are no rows, SageMaker does not take the job, or it fails; says why, and where its log is.
    """
    if job.rows:
        _send(job, job.rows)
    rows = [*objects.objects(job.s3, job.source)]
    if not rows:
        raise Refused(f"There are no rows: nothing in S3 begins with {job.source}.", "Send some: ROWS=FILE-OR-FOLDER")
    _create(job)
    job.say(f"- the job {job.name} has begun, on {_count(rows)} of {job.source}")
    try:
        outcome = _wait(job, rows)
    except KeyboardInterrupt:
        job.sagemaker.stop_transform_job(TransformJobName=job.name)
        job.say(f"- stopping the job {job.name}: it would be paid for until its end. Files that it has answered stay.")
        raise
    return _finish(job, rows, outcome)


def _send(job: Job, rows: Path) -> None:
    files = [rows] if rows.is_file() else [path for path in sorted(rows.rglob("*")) if _holds_rows(path, rows)]
    if not files:
        raise Refused(f"There are no rows in {rows}: looked for files that are not hidden.")
    for file in files:
        name = file.name if file == rows else file.relative_to(rows).as_posix()
        objects.send(job.s3, file, f"{job.source}{name}", job.say)
    job.say(f"- sent {_count(files)} to {job.source}")


def _count(files: list[Any]) -> str:
    return "1 file" if len(files) == 1 else f"{len(files)} files"


def _holds_rows(path: Path, root: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)


def _create(job: Job) -> None:
    try:
        job.sagemaker.create_transform_job(**job.request)
    except ClientError as error:
        lines = [f"SageMaker does not take the job {job.name}: {words_of(error)}"]
        if code_of(error) == "ResourceLimitExceeded":
            kind = job.request["TransformResources"]["InstanceType"]
            lines.append(f"The account may not have so many {kind} for transform jobs: ask for them in Service Quotas.")
        raise Refused(*lines) from error


def _wait(job: Job, rows: list[S3Object]) -> Mapping[str, Any]:
    """Return the description of the job when it has ended; say what is new until then."""
    began = said_at = job.clock.now()
    said = ""
    while True:
        outcome = patiently(lambda: job.sagemaker.describe_transform_job(TransformJobName=job.name), job.clock)
        now, status = job.clock.now(), outcome["TransformJobStatus"]
        done = len(rows) - len(_unanswered(job, rows, _answers(job, outcome)))
        news = f"{status}, {done} of {_count(rows)} answered"
        if news != said or (now - said_at).total_seconds() >= QUIET:
            job.say(f"- {minutes((now - began).total_seconds())} {news}")
            said, said_at = news, now
        if status not in UNDERWAY:
            return dict(outcome)
        job.clock.sleep(PAUSE)


def _answers(job: Job, outcome: Mapping[str, Any]) -> list[S3Object]:
    """Return this job's answers; an earlier one may have had the same place."""
    began = outcome["CreationTime"].replace(microsecond=0)  # S3 knows seconds
    found = objects.objects(job.s3, f"{job.target}/")
    return [one for one in found if one.modified and one.modified >= began]


def _unanswered(job: Job, rows: list[S3Object], answers: list[S3Object]) -> list[str]:
    """Return the files without an answer."""
    there = {_below(answer.url, job.target) for answer in answers}
    return [row.key for row in rows if there.isdisjoint(_names_of_answer(job, row.url))]


def _names_of_answer(job: Job, row: str) -> Iterator[str]:
    """Yield what the answer to *row* may be called: of an answer's folders SageMaker's documents say two things."""
    yield f"{row.rpartition('/')[2]}.out"
    yield f"{_below(row, job.source)}.out"
    yield f"{_below(row, job.source.rpartition('/')[0])}.out"


def _below(url: str, place: str) -> str:
    return url.removeprefix(place).lstrip("/")


def _finish(job: Job, rows: list[S3Object], outcome: Mapping[str, Any]) -> str:
    answers = _answers(job, outcome)
    if job.answers:
        _fetch(job, answers, job.answers)
    unanswered = _unanswered(job, rows, answers)
    missing = [f"Without an answer: {listed(unanswered)}, of {_count(rows)}."] if unanswered else []
    if outcome["TransformJobStatus"] != "Completed":
        raise Refused(*_why(job, outcome), *missing)
    for line in missing:
        job.say(f"- {line}")
    return job.target


def _why(job: Job, outcome: Mapping[str, Any]) -> Iterator[str]:
    if outcome["TransformJobStatus"] == "Stopped":
        yield f"The job {job.name} was stopped."
        return
    yield f"The job {job.name} failed: {outcome.get('FailureReason', 'SageMaker gives no reason')}"
    yield "ClientError: the container refused a request. AlgorithmError: it failed. One bad row fails its whole file."
    region = job.sagemaker.meta.region_name
    yield f"Its log: aws logs tail {LOG_GROUP} --log-stream-name-prefix {job.name}/ --since 1d --region {region}"


def _fetch(job: Job, answers: list[S3Object], folder: Path) -> None:
    root = folder.resolve()
    for answer in answers:
        into = (root / _below(answer.url, job.target)).resolve()
        if not into.is_relative_to(root):
            raise Refused(f"{answer.url} would be written to {into}, outside {folder}: its name has dots in it.")
        objects.fetch(job.s3, answer, into, job.say)
    job.say(f"- fetched {_count(answers)} into {folder}")
