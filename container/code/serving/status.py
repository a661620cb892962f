"""What gunicorn tells the supervisor: one JSON line an event, through a pipe that `serve` opened."""

import json
import os
from collections.abc import Iterator

LOADING = "loading"
WORKER_READY = "worker_ready"
WORKER_GONE = "worker_gone"
DOOR_CHANGED = "door_changed"  # nginx is to read its configuration again


def announce(fd: int | None, event: str, pid: int = 0) -> None:
    """Write an event; short enough for a pipe to take it whole, whoever else writes. Without a pipe, do nothing."""
    if fd is not None:
        os.write(fd, f"{json.dumps({'event': event, 'pid': pid})}\n".encode())


def events_in(chunk: bytes) -> Iterator[tuple[str, int]]:
    """Yield the (event, pid) pairs in what was read from the pipe."""
    for line in chunk.splitlines():
        message = json.loads(line)
        yield message["event"], message["pid"]
