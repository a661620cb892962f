"""
The Lambda function behind `POST /demo`: it hands a text, or JSON with texts, on to one SageMaker endpoint.

CloudFormation puts this file into Lambda as it is, where boto3 is all that there is. It prepares nothing for the model:
words, numbers and vocabularies are the container's business.
"""

import base64
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore import exceptions
from botocore.config import Config

CONNECT_SECONDS = 1
RETRY_AFTER = 5  # seconds
LONGEST_MESSAGE = 300  # characters of the model's own that a caller is shown
UNREACHABLE = (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError)
# A serverless endpoint without a free container, one whose first container still starts, SageMaker in trouble.
BUSY_CODES = {"ThrottlingException", "ModelNotReadyException", "ServiceUnavailable", "InternalDependencyException"}

BUSY = f"The model is busy. Try again in {RETRY_AFTER} seconds."
TOO_SLOW = "The model took too long to answer."
FAILED = "The model failed. This is no fault of your request."
BROKEN = "Something went wrong here, not in your request."
CALLERS_FAULT = {
    400: "The model cannot read the request.",
    413: "The request is too long for the model.",
    415: "The model does not take requests of this media type.",
    422: "The model cannot make sense of the request.",
}

Event = Mapping[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What the function is told by its environment, which the template writes: there are no defaults."""

    endpoint: str
    accepts: tuple[str, ...]  # media types
    json_key: str  # where the texts are in a request of JSON
    max_bytes: int  # of a request's body
    attempts: int  # but errors of the model are not asked for again
    read_seconds: float  # of each attempt

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the environment."""
        numbers = int(environ["MAX_BYTES"]), int(environ["ATTEMPTS"]), float(environ["READ_SECONDS"])
        return cls(environ["ENDPOINT_NAME"], tuple(environ["ACCEPTS"].split(",")), environ["JSON_KEY"], *numbers)


class Refusal(Exception):
    """What a caller is told instead of an answer; `cause` is for the log alone."""

    def __init__(self, status: int, message: str, cause: str = ""):
        super().__init__(message)
        self.status, self.message, self.cause = status, message, cause


def handler(event: Event, _context: object) -> Answer:
    """Answer one request of the HTTP API (payload version 2.0)."""
    settings = Settings.read(os.environ)
    return answer(event, settings, connect(settings))


@cache
def connect(settings: Settings, **more: Any) -> Any:
    """Return the client: all its attempts together are over before Lambda's own 29 s are."""
    retries = {"mode": "standard", "total_max_attempts": settings.attempts}
    config = Config(connect_timeout=CONNECT_SECONDS, read_timeout=settings.read_seconds, retries=retries)
    return boto3.client("sagemaker-runtime", config=config, **more)


def answer(event: Event, settings: Settings, client: Any, say: Callable[[str], object] = print) -> Answer:
    """Return the answer, whatever happens, and write one line about it, in which the text is not."""
    began, identity, cause = time.monotonic(), event.get("requestContext", {}).get("requestId", "-"), ""
    try:
        status, content = 200, {"msg": "Request successful.", "body": predict(client, settings, event, identity)}
    except Refusal as refusal:
        status, content, cause = refusal.status, {"msg": refusal.message}, refusal.cause
    except Exception as error:
        status, content, cause = 500, {"msg": BROKEN}, type(error).__name__
    line = {"request_id": identity, "endpoint": settings.endpoint, "status": status, "cause": cause}
    spent, length = round((time.monotonic() - began) * 1000), len(event.get("body") or "")
    say(json.dumps({**line, "ms": spent, "characters": length}))
    # Who may read the answer is the API's own CORS setting, and not said here.
    headers = {"content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff"}
    retry = {"retry-after": str(RETRY_AFTER)} if status == 503 else {}
    return {"statusCode": status, "headers": headers | retry, "body": json.dumps(content)}


def read(event: Event, settings: Settings) -> tuple[str, bytes]:
    """Return the media type and the body to send; raise `Refusal` for what no model could answer."""
    media_type = media_type_of(event.get("headers", {}).get("content-type", ""), settings.accepts)
    body = body_of(event)
    if len(body) > settings.max_bytes:
        raise Refusal(413, f"The request has {len(body):,} bytes, and {settings.max_bytes:,} is the most.")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Refusal(400, "The request is not UTF-8.") from None
    if not text.strip():
        raise Refusal(400, "The request is empty: there is no text in it.")
    if media_type == "application/json":
        require_texts(text, settings.json_key)
    return media_type, body


def media_type_of(header: str, accepted: tuple[str, ...]) -> str:
    """Return the media type without its parameters, of which a charset has to be UTF-8."""
    media_type, *parameters = (part.strip().lower() for part in header.split(";"))
    charsets = {one.partition("=")[2].strip('"') for one in parameters if one.startswith("charset=")}
    if media_type not in accepted or charsets - {"utf-8", "us-ascii"}:
        expected = f"{' or '.join(accepted)} in UTF-8 was expected."
        raise Refusal(415, f"Content-Type is {header[:LONGEST_MESSAGE] or 'missing'}: {expected}")
    return media_type


def body_of(event: Event) -> bytes:
    """Return the body: the HTTP API sends what it does not know as text in base64."""
    body = str(event.get("body") or "")
    try:
        return base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode(errors="replace")
    except ValueError:
        raise Refusal(400, "The request's body could not be decoded.") from None


def require_texts(text: str, key: str) -> None:
    """Raise `Refusal` unless the JSON has a text, or texts, where they are expected."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal(400, "The request is not JSON.") from None
    found = content.get(key) if isinstance(content, dict) else None
    texts = found if isinstance(found, list) else [found]
    if not texts or not all(isinstance(one, str) and one.strip() for one in texts):
        raise Refusal(422, f'{{"{key}": ["a text", "another"]}} was expected.')


def predict(client: Any, settings: Settings, event: Event, identity: str) -> Any:
    """Return what the endpoint answers; raise `Refusal` for every other end."""
    media_type, body = read(event, settings)
    asked = {"EndpointName": settings.endpoint, "ContentType": media_type, "Accept": "application/json"}
    try:
        answered = client.invoke_endpoint(**asked, Body=body, InferenceId=identity)["Body"].read()
        content = json.loads(answered, parse_constant=int)  # NaN is not JSON, and no int
        json.dumps(content, allow_nan=False)  # 1e999 is JSON, and would go out as Infinity
        return content
    except client.exceptions.ModelError as error:
        raise refusal_of_model(error.response) from None
    except exceptions.ClientError as error:
        raise refusal_of_service(error.response["Error"]["Code"]) from None
    except exceptions.ReadTimeoutError as error:
        raise Refusal(504, TOO_SLOW, type(error).__name__) from None
    except UNREACHABLE as error:
        raise Refusal(502, "The model cannot be reached.", type(error).__name__) from None
    except (ValueError, RecursionError):
        raise Refusal(502, FAILED, "the model's answer is not JSON") from None


def refusal_of_model(response: Mapping[str, Any]) -> Refusal:
    """Return what a caller is told when the container answers with an error, or not at all (status 0)."""
    status, said = response.get("OriginalStatusCode", 0), str(response.get("OriginalMessage", ""))
    cause = f"the model answered {status}"
    if status in CALLERS_FAULT:
        return Refusal(status, message_of(said) or CALLERS_FAULT[status], cause)
    if status in {429, 503}:
        return Refusal(503, BUSY, cause)
    if status == 504 or (status == 0 and "timed out" in said):
        return Refusal(504, TOO_SLOW, cause)
    return Refusal(502, FAILED, cause)


def message_of(said: str) -> str:
    """Return the message of an error as this template's containers write it; empty if it is something else."""
    try:
        return str(json.loads(said)["error"]["message"])[:LONGEST_MESSAGE]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def refusal_of_service(code: str) -> Refusal:
    """Return what a caller is told when SageMaker itself refuses; which right or endpoint is missing is for the log."""
    if code in BUSY_CODES:
        return Refusal(503, BUSY, code)
    return Refusal(413, CALLERS_FAULT[413], code) if code == "413" else Refusal(500, BROKEN, code)


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:  # the client is made before the first request's seconds are counted
    connect(Settings.read(os.environ))
