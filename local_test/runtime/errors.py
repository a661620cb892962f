"""
What the service answers when it has no prediction: botocore's error shapes, in SageMaker's own words.

The sentences are those that callers have published: amazon-sagemaker-examples issues 799, 2815, 2955 and 4324,
sagemaker-python-sdk issues 171 and 4271, and the Developer Guide's page on troubleshooting inference pipelines.
"""

from dataclasses import dataclass
from typing import Any

ACCOUNT = "000000000000"
MAX_MESSAGE = 2048  # characters: the service model's limit of a Message


class ServiceError(Exception):
    """An answer of the service itself: `status`, `kind` (in `x-amzn-ErrorType`) and the members of the body."""

    status = 500
    kind: str | None = "InternalFailure"

    def __init__(self, message: str, **members: Any):
        super().__init__(message)
        self.message = message
        self.body = {"Message": message, **members}


class ValidationError(ServiceError):
    """The request makes no sense to the service."""

    status, kind = 400, "ValidationError"


class UnknownOperation(ServiceError):
    """There is no such path or method."""

    status, kind = 404, "UnknownOperationException"


class TooLarge(ServiceError):
    """A body over the limit: clients know it by the bare status, the service names no type."""

    status, kind = 413, None


class ModelNotReady(ServiceError):
    """A serverless endpoint whose container is still starting."""

    status, kind = 429, "ModelNotReadyException"


class ModelError(ServiceError):
    """The container answered 4xx or 5xx, or not at all (original status 0); `original` is all that it said."""

    status, kind = 424, "ModelError"

    def __init__(self, message: str, original: str, **members: Any):
        super().__init__(message, OriginalMessage=shortened(original), **members)
        self.original = original


@dataclass(frozen=True)
class Words:
    """The service's sentences about one endpoint, in the region that the caller signed for."""

    endpoint: str
    region: str

    def not_found(self) -> ValidationError:
        """Word an endpoint that is not served here."""
        return ValidationError(
            f"Endpoint {self.endpoint} of account {ACCOUNT} not found.", ErrorCode="NO_SUCH_ENDPOINT"
        )

    def not_ready(self) -> ModelNotReady:
        """Word a serverless endpoint that is still starting."""
        return ModelNotReady(
            "Either a serverless endpoint variant's resources are still being provisioned, or a multi-model endpoint "
            "is still downloading or loading the target model. Wait and try your request again."
        )

    def refused(self, container: str, status: int, body: str | None) -> ModelError:
        """Word an error status of a container; a *body* of None is one that could not be read to its end."""
        said = " and could not load the entire response body" if body is None else f' with message "{shortened(body)}"'
        side = "client" if 400 <= status < 500 else "server"
        return self.model_error(f"Received {side} error ({status}) from {container}{said}", status, body or "")

    def timed_out(self, container: str) -> ModelError:
        """Word a deadline that passed."""
        message = (
            f"Your invocation timed out while waiting for a response from container {container}. Review the latency "
            "metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
        )
        return self.refused(container, 0, message)

    def no_response(self, container: str) -> ModelError:
        """Word a connection that was refused, or cut."""
        message = (
            f"Amazon SageMaker could not get a response from the {self.endpoint} endpoint. "
            "This can occur when CPU or memory utilization is high."
        )
        return self.refused(container, 0, message)

    def hop_too_large(self, sender: str, receiver: str, size: int, limit_mb: int) -> ModelError:
        """Word a hand-over inside a pipeline that is over the limit."""
        sentence = (
            f"Received response from {sender} with status code 200. However, the request payload from {sender} to "
            f"{receiver} is {size} bytes, which has exceeded the maximum limit of {limit_mb} MB"
        )
        return self.model_error(sentence, 200, sentence)

    def answer_too_large(self, container: str, limit_mb: int) -> ModelError:
        """Word an answer over the limit; ours, after the pattern of the one above, for none is published."""
        sentence = (
            f"Received response from {container} with status code 200. However, the response payload from "
            f"{container} has exceeded the maximum limit of {limit_mb} MB"
        )
        return self.model_error(sentence, 200, sentence)

    def model_error(self, sentence: str, status: int, original: str) -> ModelError:
        """Return the error with its pointers to a log, in the form in which programs parse them."""
        group = f"/aws/sagemaker/Endpoints/{self.endpoint}"
        console = f"https://{self.region}.console.aws.amazon.com/cloudwatch/home?region={self.region}"
        return ModelError(
            f"{sentence}. See {console}#logEventViewer:group={group} in account {ACCOUNT} for more information.",
            original,
            ErrorCode="CLIENT_ERROR_FROM_MODEL" if 400 <= status < 500 else "INTERNAL_FAILURE_FROM_MODEL",
            OriginalStatusCode=status,
            LogStreamArn=f"arn:aws:logs:{self.region}:{ACCOUNT}:log-group:{group}",
        )


def shortened(text: str) -> str:
    """Return *text* within the service model's limit."""
    return text[:MAX_MESSAGE]
