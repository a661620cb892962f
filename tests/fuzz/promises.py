"""What holds for every input, whatever it is: a value or a refusal that is the caller's, soon, and in little memory."""

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from serving.errors import RequestError

SECONDS = 10.0  # of CPU, for an input of at most a megabyte; ten times what the slowest takes
MEGABYTES = 256  # by which an input may raise the largest size that this process ever had
UNIT = 1024 if sys.platform == "darwin" else 1  # of ru_maxrss, in the kilobytes that Linux counts in


class BrokenPromise(AssertionError):
    """An input for which the server does not do what it promises."""


def value_or_refusal(read: Callable[[], Any]) -> Any:
    """Return what *read* returns, None where it refuses as the caller's fault; any other exception goes through."""
    try:
        return read()
    except RequestError as error:
        if not 400 <= error.status < 500:
            raise BrokenPromise(f"{error.status} {error.code}: {error.message}") from error
        return None


def bounded(check: Callable[[bytes], None], data: bytes, seconds_allowed: float = SECONDS) -> None:
    """Check *data*, and that it took neither long nor much memory."""
    began, before = time.thread_time(), peak_megabytes()
    check(data)
    seconds, grown = time.thread_time() - began, peak_megabytes() - before
    if seconds > seconds_allowed:
        raise BrokenPromise(f"{len(data)} bytes took {seconds:.1f} s of CPU")
    if grown > MEGABYTES:
        raise BrokenPromise(f"{len(data)} bytes took {grown:.0f} MB of memory")


def peak_megabytes() -> float:
    """Return the largest size that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT / 1024
