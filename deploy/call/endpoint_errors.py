"""What it means when an endpoint does not answer, and whose fault it is."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from deploy.aws_errors import code_of, is_denied, words_of
from deploy.errors import Refused
from deploy.stack.policies import log_group
from deploy.stage.kinds import ServerlessStage, Stage

Client = Callable[[str], Any]
REFUSED = frozenset({"ValidationError", "ValidationException"})
NOT_READY = "ModelNotReadyException"
THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException"})
TOO_LARGE = frozenset({"413", "RequestEntityTooLarge"})
THEIRS = frozenset({"InternalFailure", "InternalDependencyException", "ServiceUnavailable"})
LONGEST_WORDS = 1000  # characters of what a container said


@contextmanager
def explained(client: Client, stage: Stage) -> Iterator[None]:
    """Raise `Refused` in place of what boto3 raises, where we know more about it."""
    try:
        yield
    except ReadTimeoutError as error:
        raise Refused(
            f"{stage.name} did not answer in time; SageMaker itself waits 60 s for the container.",
            "Ask for fewer rows at a time, or use an asynchronous endpoint, whose requests may take an hour.",
            log_of(client, stage),
        ) from error
    except ClientError as error:
        lines = [*_lines_of(error, client, stage)]
        if not lines:
            raise
        raise Refused(*lines) from error


def _lines_of(error: ClientError, client: Client, stage: Stage) -> Iterator[str]:
    """Yield what the error means, nothing if it is not about the endpoint."""
    code, words = code_of(error), words_of(error)
    if code == "ModelError":
        yield from container_said(error.response)
        yield log_of(client, stage)
    elif code in REFUSED:
        yield from _about_endpoint(client, stage, words)
    elif code == NOT_READY:
        yield f"{stage.name} is starting: a serverless endpoint does, after a pause."
        yield "Ask again in a moment."
    elif code in THROTTLED:
        yield f"{stage.name} has as much to do as it can: {words}"
        yield _how_to_make_room(stage)
    elif code in TOO_LARGE:
        yield f"SageMaker does not take a request as large as this: {words}"
        yield "Send fewer rows at a time."
    elif code in THEIRS:
        yield f"SageMaker failed ({code}): {words}"
        yield "Neither the request nor the model is at fault. Ask again."
    elif is_denied(error):
        yield f"You may not call {stage.name}: {words}"
        yield "It takes sagemaker:InvokeEndpoint on the endpoint."


def container_said(response: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the container said, and whose fault it says it is."""
    status, said = int(response.get("OriginalStatusCode", 0)), str(response.get("OriginalMessage", ""))
    if status == 0:
        yield f"The container did not answer: {said or response['Error']['Message']}"
        yield "It took too long, or it died."
        return
    yield f"The container answered {status}: {message_in(said)}"
    yield fault_of(status)


def message_in(said: str) -> str:
    """Return the message of an error answer: ours are JSON, others are shown as they are."""
    try:
        error = json.loads(said)["error"]
        return f"{error['message']} ({error['code']}, request {error['request_id']})"
    except (ValueError, TypeError, KeyError):
        return said[:LONGEST_WORDS] or "nothing more"


def fault_of(status: int) -> str:
    """Return what an HTTP status says about whose fault it is."""
    if status in {429, 503}:
        return "It is overloaded, or still starting. Ask again in a moment."
    if 400 <= status < 500:
        return "That is the request's fault: send another one."
    return "That is the model's fault, or the server's. Its log has more."


def _about_endpoint(client: Client, stage: Stage, said: str) -> Iterator[str]:
    """Yield why SageMaker would not pass the request on: mostly the endpoint is not there, or not yet."""
    sagemaker = client("sagemaker")
    try:
        about = sagemaker.describe_endpoint(EndpointName=stage.name)
    except ClientError as error:
        if is_denied(error) or "Could not find" not in words_of(error):
            yield f"SageMaker does not pass the request on: {said}"
            return
        yield f"There is no endpoint {stage.name} in {sagemaker.meta.region_name}."
        yield f"make deploy STAGE={stage.name}"
        return
    status = about["EndpointStatus"]
    if status in {"InService", "Updating", "SystemUpdating", "RollingBack"}:
        yield f"SageMaker does not pass the request on: {said}"
        return
    yield f"The endpoint {stage.name} is not in service: it is {status}. {about.get('FailureReason', '')}".rstrip()
    yield f"make status STAGE={stage.name}"


def _how_to_make_room(stage: Stage) -> str:
    if isinstance(stage, ServerlessStage):
        number = stage.serverless.concurrency
        return f"It answers {number} at a time: ask again, or raise serverless.concurrency = {number}."
    return "Ask again, or give it more instances: instance.count, or autoscaling.max."


def log_of(client: Client, stage: Stage) -> str:
    """Return the command that shows what the containers said."""
    region = client("sagemaker").meta.region_name
    return f"Its log: aws logs tail {log_group(stage)} --since 10m --region {region}"
