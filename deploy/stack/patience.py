"""Ask AWS again when it has no time, or cannot be reached: what was begun there goes on meanwhile."""

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004 (botocore's own)

from deploy.aws_errors import code_of
from deploy.progress import Clock

PAUSE = 5.0  # seconds
TRIES = 60
THROTTLED = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "ServiceUnavailable"})

T = TypeVar("T")


def patiently(ask: Callable[[], T], clock: Clock) -> T:
    """Return what *ask* returns; raise what it raises if that will not pass, or after some minutes."""
    for _ in range(TRIES - 1):
        try:
            return ask()
        except ClientError as error:
            if code_of(error) not in THROTTLED:
                raise
        except (ConnectionError, HTTPClientError):
            pass  # the laptop slept, the train is in a tunnel
        clock.sleep(PAUSE)
    return ask()
