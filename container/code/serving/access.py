"""The access line: one for each request that is no health check, when its answer is out."""

import logging
import sys
import time
from contextlib import suppress
from typing import Any, Protocol

from serving.logs import json_line

STDERR = sys.__stderr__ or sys.stderr  # the first is None where Python itself has none

log = logging.getLogger(__name__)


class Stream(Protocol):
    """The rest of a streamed answer, as the access line sees it."""

    @property
    def ended(self) -> str:
        """How it ended: whole, broken or abandoned."""

    @property
    def bytes_sent(self) -> int:
        """How much of it was sent."""

    def close(self) -> None:
        """Let the model's side clean up."""


def log_access(line: dict[str, Any], began: float) -> None:
    """
    Write the line of a request that came at *began*, on the monotonic clock.

    Past the handlers, in the form that they have: `logging` takes longer for a line than the server for the request.
    """
    if log.isEnabledFor(logging.INFO):
        milliseconds = round((time.monotonic() - began) * 1000, 2)
        fields = {**line, "milliseconds": milliseconds}
        # Not sys.stderr, which a hook may have redirected for itself. A log that cannot be written costs no answer.
        with suppress(OSError, ValueError):
            STDERR.write(json_line(time.time(), "INFO", __name__, "request", fields) + "\n")


def log_stream_access(stream: Stream, line: dict[str, Any], began: float) -> None:
    """Write the line of a streamed answer when it has come to an end, be it a good one or not."""
    stream.close()
    log_access({**line, "response_bytes": stream.bytes_sent, "streamed": True, "ended": stream.ended}, began)
