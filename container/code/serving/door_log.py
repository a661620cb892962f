"""
The access lines of what nginx answers itself, which no worker hears of: too large, no HTTP, nobody there.

nginx writes them into a named pipe, and `serve` reads it. A pipe loses nothing, where a socket for datagrams loses
what comes while ten wait; it makes nginx wait when it is full, and `serve` never waits for anybody.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from serving.counts import door_answers
from serving.log_stream import STDERR
from serving.logs import json_line

AT_ONCE = 1 << 16  # bytes that are read at once
MOST_AT_A_TIME = 16  # of such pieces, before `serve` looks after its children again
CODES = {
    400: "bad_request", 404: "not_found", 405: "method_not_allowed", 408: "request_timeout", 413: "payload_too_large",
    431: "headers_too_large", 499: "caller_gone", 500: "internal_error", 501: "not_implemented", 503: "unavailable",
    504: "deadline_exceeded",
}  # fmt: skip

log = logging.getLogger(__name__)


def door_pipe(run_dir: Path) -> Path:
    """Return the path of the pipe."""
    return run_dir / "door.log"


class DoorLog:
    """
    Reads what nginx writes.

    Attributes:
        reader: the descriptor to wait for.
    """

    def __init__(self, run_dir: Path):
        """Make the pipe, before nginx opens it."""
        path = door_pipe(run_dir)
        os.mkfifo(path, 0o600)
        # For writing too: with nobody else at the other end, a reload of nginx would be the end of it.
        self.reader = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._rest = b""

    def take(self) -> None:
        """Count and log what there is to read."""
        for _ in range(MOST_AT_A_TIME):
            try:
                data = self._rest + os.read(self.reader, AT_ONCE)
            except BlockingIOError:
                return
            *lines, rest = data.split(b"\n")
            self._rest = rest[:AT_ONCE]
            for line in lines:
                report(line)


def report(line: bytes) -> None:
    """Count a request, and write its line in the form that the workers have."""
    try:
        said = orjson.loads(line.decode(errors="replace"))
        came, fields = float(said["time"]), dict(fields_of(said))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("nginx wrote an access line that cannot be read: %s", type(error).__name__)
        return
    door_answers(fields["path"], fields["status"], fields.get("code"))
    if log.isEnabledFor(logging.INFO):
        STDERR.write(json_line(came, "INFO", __name__, "request", fields) + "\n")


def fields_of(said: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Yield the fields of an access line; nginx says everything as text."""
    status = int(said["status"])
    yield from ((name, said[name]) for name in ("request_id", "method", "path"))
    yield "status", status
    yield "request_bytes", int(said["request_bytes"]) if said["request_bytes"].isdecimal() else None
    yield "response_bytes", int(said["response_bytes"])
    if status >= 400:
        yield "code", said["code"] or CODES.get(status, "other")
    yield "milliseconds", round(float(said["seconds"]) * 1000, 2)
    yield "answered_by", "nginx"
