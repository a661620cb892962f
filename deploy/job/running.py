"""Watch a processing or a training job to its end; say why it failed, and where its log is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy.aws_errors import code_of, words_of
from deploy.errors import Refused
from deploy.progress import CLOCK, Clock, Say, minutes, say
from deploy.stack.patience import patiently

UNDERWAY = ("InProgress", "Stopping")
PAUSE = 5.0  # s between two looks at the job
QUIET = 60.0  # s without news until it is said that there are none
NEW_ROLE = "Could not assume role"  # IAM tells all of AWS of a role within seconds, not at once
ROLE_TRIES = 6


@dataclass(frozen=True)
class Kind:
    """Processing or training: how SageMaker calls what it does."""

    word: str

    @property
    def log_group(self) -> str:
        """Return where the containers' lines are kept."""
        return f"/aws/sagemaker/{self.word}Jobs"

    def key(self, of: str) -> str:
        """Return the key of a job's `Name` or `Status`."""
        return f"{self.word}Job{of}"

    def call(self, sagemaker: Any, verb: str, **parameters: Any) -> Any:
        """Create, describe or stop one."""
        return getattr(sagemaker, f"{verb}_{self.word.lower()}_job")(**parameters)


PROCESSING, TRAINING = Kind("Processing"), Kind("Training")


@dataclass(frozen=True)
class Run:
    """A job to be run; `request` is what SageMaker is asked for."""

    sagemaker: Any
    kind: Kind
    request: Mapping[str, Any]
    say: Say = say
    clock: Clock = CLOCK

    @property
    def name(self) -> str:
        """Return what SageMaker calls the job."""
        return str(self.request[self.kind.key("Name")])

    @property
    def sort(self) -> str:
        """Return what the job is called in a sentence."""
        return f"{self.kind.word.lower()} job"

    def look(self) -> dict[str, Any]:
        """Return SageMaker's description of the job."""
        return dict(self.kind.call(self.sagemaker, "describe", **{self.kind.key("Name"): self.name}))


def run(job: Run) -> dict[str, Any]:
    """
    Run the job to its end and return SageMaker's description of it.

    An interrupt stops the job: it would be paid for until its end, and nobody would look at it.

    Raises:
        Refused: if SageMaker does not take the job, or it fails; says why, and where its log is.
    """
    _create(job)
    job.say(f"- the {job.sort} {job.name} has begun; {log_line(job.kind, job.name, _region(job))}")
    try:
        outcome = _wait(job)
    except KeyboardInterrupt:
        job.kind.call(job.sagemaker, "stop", **{job.kind.key("Name"): job.name})
        job.say(f"- stopping the {job.sort} {job.name}: it would be paid for until its end.")
        raise
    if outcome[job.kind.key("Status")] != "Completed":
        raise Refused(*_why(job, outcome))
    for line in _results(outcome):
        job.say(f"- {line}")
    return outcome


def log_line(kind: Kind, name: str, region: str) -> str:
    """Return how one reads the log of a job."""
    return (
        f"its log: aws logs tail {kind.log_group} --log-stream-name-prefix {name}/ --since 1d --follow "
        f"--region {region}"
    )


def _region(job: Run) -> str:
    return str(job.sagemaker.meta.region_name)


def _create(job: Run) -> None:
    for left in reversed(range(ROLE_TRIES)):
        try:
            job.kind.call(job.sagemaker, "create", **job.request)
        except ClientError as error:
            if left and NEW_ROLE in words_of(error):
                job.clock.sleep(PAUSE)
                continue
            raise Refused(*_not_taken(job, error)) from error
        return


def _not_taken(job: Run, error: ClientError) -> Iterator[str]:
    yield f"SageMaker does not take the {job.sort} {job.name}: {words_of(error)}"
    if code_of(error) == "ResourceLimitExceeded":
        yield f"The account may not have so many machines for {job.sort}s: ask for them in Service Quotas."
    if NEW_ROLE in words_of(error):
        yield "SageMaker has to be allowed to take the role: its trust policy names sagemaker.amazonaws.com."


def _wait(job: Run) -> dict[str, Any]:
    """Return the description of the job when it has ended; say what is new until then."""
    began = said_at = job.clock.now()
    said = ""
    while True:
        outcome = patiently(job.look, job.clock)
        now, news = job.clock.now(), _news(job, outcome)
        if news != said or (now - said_at).total_seconds() >= QUIET:
            job.say(f"- {minutes((now - began).total_seconds())} {news}")
            said, said_at = news, now
        if outcome[job.kind.key("Status")] not in UNDERWAY:
            return outcome
        job.clock.sleep(PAUSE)


def _news(job: Run, outcome: Mapping[str, Any]) -> str:
    """Return the status; of a training job also what it does, in SageMaker's words."""
    status = str(outcome[job.kind.key("Status")])
    doing = outcome.get("SecondaryStatus", status)
    last = (outcome.get("SecondaryStatusTransitions") or [{}])[-1]
    words = [status, *([doing] if doing != status else [])]
    return ", ".join(words) + (f": {last['StatusMessage']}" if last.get("StatusMessage") else "")


def _results(outcome: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a training job measured, and what either is billed for."""
    for metric in outcome.get("FinalMetricDataList") or ():
        yield f"{metric['MetricName']} = {metric['Value']:g}"
    if seconds := outcome.get("BillableTimeInSeconds"):
        yield f"billed: {seconds} s of 1 x {outcome['ResourceConfig']['InstanceType']}"
    if outcome.get("ExitMessage"):
        yield f"the script's last word: {outcome['ExitMessage']}"


def _why(job: Run, outcome: Mapping[str, Any]) -> Iterator[str]:
    status = outcome[job.kind.key("Status")]
    if status == "Stopped" and outcome.get("SecondaryStatus") == "MaxRuntimeExceeded":
        seconds = job.request["StoppingCondition"]["MaxRuntimeInSeconds"]
        yield f"The {job.sort} {job.name} was stopped: it took longer than max_seconds = {seconds}."
    elif status == "Stopped":
        yield f"The {job.sort} {job.name} was stopped."
    else:
        yield f"The {job.sort} {job.name} failed: {outcome.get('FailureReason', 'SageMaker gives no reason')}"
        yield "ClientError: the data, the role or the image. AlgorithmError: the program, whose log says more."
    if outcome.get("ExitMessage"):
        yield f"The script's last word: {outcome['ExitMessage']}"
    line = log_line(job.kind, job.name, _region(job)).replace(" --follow", "")
    yield f"{line[0].upper()}{line[1:]}"
