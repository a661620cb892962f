"""What is asked of an endpoint, and by whom."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.config import Config

from deploy.progress import CLOCK, Clock, Say, say

READ_TIMEOUT = 70  # s; SageMaker itself waits 60 s for the container
LONGEST_ANSWER = 900.0  # s that SageMaker gives an asynchronous request


@dataclass(frozen=True)
class Request:
    """A request; an `accept` of None leaves the answer's type to the model."""

    body: bytes
    content_type: str
    accept: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the media types in boto3's terms."""
        return {"ContentType": self.content_type, **({"Accept": self.accept} if self.accept else {})}


@dataclass(frozen=True)
class Caller:
    """
    Who calls.

    Attributes:
        client: returns boto3's client of a service; that of `sagemaker-runtime` is made with `runtime_config()`.
        bucket: for requests to an asynchronous endpoint that are too large to be sent.
        patience: seconds to wait for an asynchronous answer.
    """

    client: Callable[[str], Any]
    bucket: str
    patience: float = LONGEST_ANSWER
    say: Say = say
    clock: Clock = CLOCK


def runtime_config(attempts: int = 1) -> Config:
    """Return how the runtime is called: *attempts* times at most, for a second call is a second prediction."""
    return Config(read_timeout=READ_TIMEOUT, retries={"mode": "standard", "total_max_attempts": attempts})
