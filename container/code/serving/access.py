"""The access line: one for each request that is no health check, when its answer is out."""

import logging
import time
from typing import Any, Protocol

from serving.counts import request_ends
from serving.log_stream import STDERR
from serving.logs import json_line

QUIET = "/metrics"  # somebody asks for it every minute, or more often

log = logging.getLogger(__name__)


class Timing(Protocol):
    """How long a request waited for the model and was in it, in seconds, and how many were answered together."""

    queue_seconds: float | None
    model_seconds: float | None
    batch: int | None


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


def log_access(line: dict[str, Any], began: float, timing: Timing | None = None) -> None:
    """
    Count a request that came at *began*, on the monotonic clock, and write its line.

    Past the handlers, in the form that they have: `logging` takes longer for a line than the server for the request.
    """
    seconds = time.monotonic() - began
    request_ends(line, seconds, timing)
    if log.isEnabledFor(logging.INFO) and line["path"] != QUIET:
        fields = {**line}
        if timing is not None and timing.batch is not None:
            add_timing(fields, timing)
        fields["milliseconds"] = round(seconds * 1000, 2)
        # Not sys.stderr, which a hook may have redirected for itself.
        STDERR.write(json_line(time.time(), "INFO", __name__, "request", fields) + "\n")


def add_timing(fields: dict[str, Any], timing: Timing) -> None:
    """Add what is known of the time that the model took, and of the request's company."""
    if timing.queue_seconds is not None:
        fields["queue_milliseconds"] = round(timing.queue_seconds * 1000, 2)
    if timing.model_seconds is not None:
        fields["model_milliseconds"] = round(timing.model_seconds * 1000, 2)
    fields["batch"] = timing.batch


def log_stream_access(stream: Stream, line: dict[str, Any], began: float, timing: Timing | None = None) -> None:
    """Write the line of a streamed answer when it has come to an end, be it a good one or not."""
    stream.close()
    log_access({**line, "response_bytes": stream.bytes_sent, "streamed": True, "ended": stream.ended}, began, timing)
