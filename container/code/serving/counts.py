"""What this process counts: in memory of its own, until it is given a slot of the table that all can read."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from serving.log_stream import STDERR
from serving.metric_cells import (
    BATCH_REQUESTS,
    IN_FLIGHT,
    LAYOUT,
    LINES_DROPPED,
    LOAD_SECONDS,
    MODEL_SECONDS,
    QUEUE_SECONDS,
    REQUEST_BYTES,
    REQUEST_SECONDS,
    RESPONSE_BYTES,
    STREAMS_BROKEN,
    cell_of_death,
    cell_of_refusal,
    cell_of_request,
)
from serving.metric_table import DOUBLE, Slot

INVOCATIONS = "/invocations"
ANSWERED = cell_of_request(INVOCATIONS, 200)

# One for each process, as the loggers are.
OURS = Slot(memoryview(bytearray(LAYOUT.width * DOUBLE)).cast("d"))
STDERR.on_drop = partial(OURS.add, LINES_DROPPED)

Argument = TypeVar("Argument")
Loaded = TypeVar("Loaded")


class Timing(Protocol):
    """How long a request waited for the model, where that is known."""

    queue_seconds: float | None


def request_begins(path: str) -> None:
    """Count a request that is under way."""
    if path == INVOCATIONS:
        OURS.add(IN_FLIGHT)


def request_ends(line: dict[str, Any], seconds: float, timing: Timing | None) -> None:
    """Count a request whose access line is *line*; only now, for another worker answers what dies with this one."""
    path, status = line["path"], line["status"]
    OURS.add(ANSWERED if path == INVOCATIONS and status == 200 else cell_of_request(path, status))
    if code := line.get("code"):
        OURS.add(cell_of_refusal(code))
    if path != INVOCATIONS:
        return
    OURS.add(IN_FLIGHT, -1.0)
    OURS.observe(REQUEST_SECONDS, seconds)
    OURS.add(REQUEST_BYTES, line["request_bytes"] or 0)
    OURS.add(RESPONSE_BYTES, line["response_bytes"] or 0)
    if timing is not None and timing.queue_seconds is not None:
        OURS.observe(QUEUE_SECONDS, timing.queue_seconds)
    if line.get("ended") == "broken":
        OURS.add(STREAMS_BROKEN)


def door_answers(path: str, status: int, code: str | None) -> None:
    """Count a request that no worker has seen."""
    OURS.add(cell_of_request(path, status))
    if code:
        OURS.add(cell_of_refusal(code))


def worker_died(cause: str) -> None:
    """Count a worker that nobody has asked to end."""
    OURS.add(cell_of_death(cause))


def batch_ends(requests: int, seconds: float) -> None:
    """Count what the model was asked for at once."""
    OURS.observe(BATCH_REQUESTS, requests)
    OURS.observe(MODEL_SECONDS, seconds)


def counted_load(load: Callable[[Argument], Loaded]) -> Callable[[Argument], Loaded]:
    """Return *load* such that the time it takes is noted."""

    def timed(argument: Argument) -> Loaded:
        began = time.monotonic()
        loaded = load(argument)
        OURS.set(LOAD_SECONDS, time.monotonic() - began)
        return loaded

    return timed
