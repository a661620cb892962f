"""A model package: made, and its validation waited for, which takes AWS hours rather than minutes."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deploy import s3 as objects
from deploy.aws import refusal_of
from deploy.aws_errors import code_of, words_of
from deploy.errors import NoLongerWaiting, Refused
from deploy.marketplace.request import Request
from deploy.progress import CLOCK, Clock, Say, minutes, say
from deploy.stack.patience import patiently

UNDERWAY = ("Pending", "InProgress")
PAUSE = 5.0  # s between two looks
QUIET = 300.0  # s without news until it is said that there are none
LOG_GROUP = "/aws/sagemaker/TransformJobs"
ABSENT = ("ValidationException", "ResourceNotFound")  # the name itself was checked before
KINDS = {"ValidationStatuses": "validation", "ImageScanStatuses": "scan of the image"}


@dataclass(frozen=True)
class Submission:
    """
    A package to be made.

    Attributes:
        request: what CreateModelPackage takes, checked.
        sample: a folder on this machine, whose files validation sends to the model.
    """

    sagemaker: Any
    s3: Any
    request: Request
    sample: Path
    say: Say = say
    clock: Clock = CLOCK

    @property
    def name(self) -> str:
        """Return the package's name."""
        return str(self.request["ModelPackageName"])


def submit(submission: Submission) -> str:
    """
    Make the package unless it is there, wait for its validation, and return the report.

    Raises:
        Refused: if SageMaker does not take it, or its validation fails; says what each status says.
        NoLongerWaiting: on an interrupt, or when AWS can no longer be asked: the validation goes on.
    """
    there = _described(submission)
    if there is None:
        _send_sample(submission)
        _create(submission)
    elif there["ModelPackageStatus"] == "Failed":
        raise Refused(*report(there), "It has failed before, and keeps its name until it goes:", _deletion(submission))
    else:
        submission.say(f"- the package {submission.name} is there already: the same request was made before")
    try:
        return conclusion(_wait(submission), submission.name)
    except KeyboardInterrupt:
        raise _no_longer_waiting(submission) from None
    except ClientError as error:
        if code_of(error) in ABSENT:
            raise  # somebody has deleted it
        raise _no_longer_waiting(submission, *refusal_of(error)) from error
    except BotoCoreError as error:
        raise _no_longer_waiting(submission, f"AWS could not be asked: {error}") from error


def _no_longer_waiting(submission: Submission, *reasons: str) -> NoLongerWaiting:
    return NoLongerWaiting(
        *reasons,
        f"No longer waiting; AWS goes on with the validation of {submission.name}.",
        f"How it is: python -m deploy marketplace status {submission.name}",
    )


def status(sagemaker: Any, name: str) -> tuple[str, bool]:
    """Return the report on a package, and whether it can be listed; raise `Refused` if there is none."""
    try:
        about = sagemaker.describe_model_package(ModelPackageName=name)
    except ClientError as error:
        raise Refused(f"There is no package {name} to be seen: {words_of(error)}") from error
    return "\n".join(report(about)), about["ModelPackageStatus"] == "Completed"


def conclusion(about: Mapping[str, Any], name: str) -> str:
    """Return the report on a package that can be listed; raise `Refused` with it if it cannot."""
    lines = [*report(about)]
    if about["ModelPackageStatus"] != "Completed":
        raise Refused(
            *lines,
            f"The log of its transform job: aws logs tail {LOG_GROUP} --since 1d",
            f"Mend it, and: aws sagemaker delete-model-package --model-package-name {name}",
        )
    return "\n".join([about["ModelPackageArn"], *lines])


def report(about: Mapping[str, Any]) -> Iterator[str]:
    """Yield the status of the package, then every status of what it was tried with."""
    name, status = about["ModelPackageName"], about["ModelPackageStatus"]
    yield f"The package {name} is {status}."
    details = about.get("ModelPackageStatusDetails", {})
    for key, kind in KINDS.items():
        for one in details.get(key) or ():
            reason = f": {one['FailureReason']}" if one.get("FailureReason") else ""
            yield f"{kind} {one['Name']}: {one['Status']}{reason}"
    if status == "Completed" and not details.get("ValidationStatuses"):
        yield "No validation is reported, and without one it cannot be listed."


def _described(submission: Submission) -> dict[str, Any] | None:
    """Return the package of this name, None if there is none."""
    try:
        return dict(submission.sagemaker.describe_model_package(ModelPackageName=submission.name))
    except ClientError as error:
        if code_of(error) in ABSENT:
            return None
        raise


def _deletion(submission: Submission) -> str:
    return f"aws sagemaker delete-model-package --model-package-name {submission.name}"


def _send_sample(submission: Submission) -> None:
    """Put the sample where the request says that it is; raise `Refused` if something else lies there."""
    files = [path for path in sorted(submission.sample.glob("*")) if path.is_file()]
    if not files:
        raise Refused(f"There is no sample in {submission.sample}: validation needs at least one file.")
    (profile,) = submission.request["ValidationSpecification"]["ValidationProfiles"]
    url = profile["TransformJobDefinition"]["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    urls = {f"{url}{file.name}": file for file in files}
    if others := [one.url for one in objects.objects(submission.s3, url) if one.url not in urls]:
        raise Refused(
            f"What lies in {url} from an earlier try is no sample any more, and validation would send it to the model:",
            *(f"aws s3 rm {shlex.quote(other)}" for other in others),
        )
    for address, file in urls.items():
        objects.send(submission.s3, file, address, submission.say)
    submission.say(f"- sent the sample to {url}")


def _create(submission: Submission) -> None:
    try:
        submission.sagemaker.create_model_package(**submission.request)
    except ClientError as error:
        raise Refused(f"SageMaker does not take the package {submission.name}: {words_of(error)}") from error
    submission.say(f"- the validation of {submission.name} has begun; AWS takes hours for it. Ctrl-C stops the waiting")


def _wait(submission: Submission) -> Mapping[str, Any]:
    """Return the description of the package when its validation has ended; say what is new until then."""
    began = said_at = submission.clock.now()
    said = ""
    while True:
        about = patiently(
            lambda: submission.sagemaker.describe_model_package(ModelPackageName=submission.name), submission.clock
        )
        now, news = submission.clock.now(), "; ".join(report(about))
        if news != said or (now - said_at).total_seconds() >= QUIET:
            submission.say(f"- {minutes((now - began).total_seconds())} {news}")
            said, said_at = news, now
        if about["ModelPackageStatus"] not in UNDERWAY:
            return dict(about)
        submission.clock.sleep(PAUSE)
