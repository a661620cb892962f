"""An answer in parts: each is computed in the model's thread when the caller has taken the one before."""

import errno
import logging
import time
from collections.abc import Callable, Iterator

from serving.errors import DeadlineExceeded
from serving.inference import Rest
from serving.native_thread import NativeThread

STREAM_SECONDS = 480.0  # SageMaker's own limit for a streamed answer

log = logging.getLogger(__name__)


class StreamBroken(ConnectionResetError):
    """
    A stream that cannot be ended as it should.

    gunicorn takes a connection reset for the caller's, closes the socket and logs nothing: the body is then one
    without an end, and nginx passes that on.
    """

    def __init__(self) -> None:
        """Carry the number by which gunicorn knows it."""
        super().__init__(errno.ECONNRESET, "the stream broke; the line before has the reason")


class Budget:
    """The time that an answer may take: so long for each part, and as long as a stream may last for all of them."""

    def __init__(self, part_seconds: float, clock: Callable[[], float] = time.monotonic):
        """Begin to count."""
        self._part_seconds, self._clock = part_seconds, clock
        self._total_seconds = max(STREAM_SECONDS, part_seconds)
        self._began = clock()

    def seconds_left(self) -> float:
        """Return the seconds that the next part has; raise `DeadlineExceeded` when there are none."""
        left = self._total_seconds - (self._clock() - self._began)
        if left <= 0:
            raise DeadlineExceeded(f"The answer was not at its end after {self._total_seconds:g} s, the limit.")
        return min(left, self._part_seconds)


class Stream(Iterator[bytes]):
    """
    What follows the first part of an answer. Other requests have their turns between the parts.

    Attributes:
        ended: `whole`, `broken` by an error of ours, or `abandoned` by the caller; the last until one of the others.
        bytes_sent: the bytes that have been taken, the first part's among them.
    """

    def __init__(self, first: bytes, parts: Rest, thread: NativeThread, budget: Budget, request_id: str):
        """Ask *parts* in *thread*; the *first* part is the one before them."""
        self._parts, self._thread, self._budget, self._request_id = parts, thread, budget, request_id
        self._under_way = len(first)
        self._closed = False
        self.bytes_sent = 0
        self.ended = "abandoned"

    def __next__(self) -> bytes:
        """Return the next part; raise `StreamBroken`, which is logged with its reason, when there is none to be had."""
        self.bytes_sent += self._under_way
        self._under_way = 0
        try:
            part = self._compute()
        except Exception as error:
            self.ended = "broken"
            cause = error.__cause__ or error
            log.error("stream broken: %s", error, exc_info=cause, extra={"request_id": self._request_id})
            raise StreamBroken from None
        if part is None:
            self.ended = "whole"
            raise StopIteration
        self._under_way = len(part)
        return part

    def _compute(self) -> bytes | None:
        return self._thread.run(lambda: next(self._parts, None), self._budget.seconds_left())

    def close(self) -> None:
        """Let the hook clean up, in the model's thread, however late its turn comes."""
        if not self._closed:
            self._closed = True
            self._thread.run_at_last(lambda: close_parts(self._parts, self._request_id))


def close_parts(parts: Rest, request_id: str) -> None:
    """Close *parts*; nobody waits for them any more, so what goes wrong is for the log."""
    try:
        parts.close()
    except Exception as error:
        cause = error.__cause__ or error
        log.error("a stream could not be closed: %s", error, exc_info=cause, extra={"request_id": request_id})
