"""Call an asynchronous endpoint: a large request goes to S3, and the answer is awaited there."""

import uuid
from typing import Any

from botocore.exceptions import ClientError

from deploy import s3 as objects
from deploy.aws_errors import words_of
from deploy.call.calling import Caller, Request
from deploy.call.endpoint_errors import explained, log_of, message_in
from deploy.errors import Refused
from deploy.progress import GB, in_words, minutes
from deploy.s3 import S3Object
from deploy.stack.patience import patiently
from deploy.stage import places
from deploy.stage.kinds import AsynchronousStage

LARGEST_REQUEST = 1 * GB
LARGEST_INLINE = 128_000  # bytes that may be sent; what is larger has to lie in S3
PAUSE = 2.0  # s between two looks into S3
QUIET = 60.0  # s without news until it is said that there are none


def invoke(caller: Caller, stage: AsynchronousStage, request: Request) -> bytes:
    """Return the answer, or raise `Refused` with the failure that SageMaker put into S3 in its place."""
    if len(request.body) > LARGEST_REQUEST:
        raise Refused(
            f"The request has {in_words(len(request.body))}; an asynchronous endpoint takes 1.0 GB.",
            "Send fewer rows at a time, or use a transform job.",
        )
    body = _body(caller, stage, request)
    with explained(caller.client, stage):
        runtime = caller.client("sagemaker-runtime")
        accepted = runtime.invoke_endpoint_async(EndpointName=stage.name, **body, **request.headers())
    caller.say(f"- {stage.name} accepted the request; its answer will be {accepted['OutputLocation']}")
    return _await(caller, stage, accepted["OutputLocation"], accepted.get("FailureLocation"))


def _body(caller: Caller, stage: AsynchronousStage, request: Request) -> dict[str, Any]:
    """Return the body, or where it lies in S3, in boto3's terms."""
    if len(request.body) <= LARGEST_INLINE:
        return {"Body": request.body}
    place = places.request_folder(stage, caller.bucket)
    url = f"{place.url}/{uuid.uuid4()}"
    bucket, key = objects.split(url)
    try:
        caller.client("s3").put_object(Bucket=bucket, Key=key, Body=request.body, ContentType=request.content_type)
    except ClientError as error:
        raise Refused(f"The request cannot be put at {url}: {words_of(error)}") from error
    caller.say(f"- put the request at {url}")
    return {"InputLocation": url}


def _await(caller: Caller, stage: AsynchronousStage, answer: str, failure: str | None) -> bytes:
    began = said_at = caller.clock.now()
    while True:
        if found := _find(caller, answer):
            return _read(caller, found)
        if failure and (found := _find(caller, failure)):
            raise Refused(
                f"{stage.name} has no answer: {message_in(_read(caller, found).decode(errors='replace'))}",
                f"The failure in full: {failure}",
                log_of(caller.client, stage),
            )
        now = caller.clock.now()
        waited = (now - began).total_seconds()
        if waited >= caller.patience:
            raise Refused(*_gave_up(stage, answer, waited), log_of(caller.client, stage))
        if (now - said_at).total_seconds() >= QUIET:
            caller.say(f"- {minutes(waited)} no answer yet")
            said_at = now
        caller.clock.sleep(PAUSE)


def _gave_up(stage: AsynchronousStage, answer: str, waited: float) -> list[str]:
    none = stage.autoscaling is not None and stage.autoscaling.min == 0
    starting = " It may have had no instance: one takes some minutes to start." if none else ""
    return [
        f"{stage.name} has not answered in {minutes(waited)}.{starting}",
        f"It may still; look there later: aws s3 cp {answer} -",
    ]


def _find(caller: Caller, url: str) -> S3Object | None:
    return patiently(lambda: objects.find(caller.client("s3"), url), caller.clock)


def _read(caller: Caller, found: S3Object) -> bytes:
    body: bytes = caller.client("s3").get_object(Bucket=found.bucket, Key=found.key)["Body"].read()
    return body
