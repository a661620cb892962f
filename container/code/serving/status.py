"""What gunicorn tells the supervisor: one JSON line an event, through a pipe that `serve` opened."""

import json
import os
import select
from collections.abc import Iterator

from serving.deaths import Death

LOADING = "loading"
WORKER_READY = "worker_ready"
WORKER_GONE = "worker_gone"
DOOR_CHANGED = "door_changed"  # nginx is to read its configuration again


def announce(fd: int | None, event: str, pid: int = 0, death: Death | None = None) -> None:
    """Write an event; short enough for a pipe to take it whole, whoever else writes. Without a pipe, do nothing."""
    if fd is not None:
        line = written(event, pid, death)
        if death is not None and len(line) > select.PIPE_BUF:
            line = written(event, pid, death._replace(stack=""))
        os.write(fd, line)


def written(event: str, pid: int, death: Death | None) -> bytes:
    """Return an event as a line."""
    details = {} if death is None else {"death": death._asdict()}
    return f"{json.dumps({'event': event, 'pid': pid, **details})}\n".encode()


def events_in(chunk: bytes) -> Iterator[tuple[str, int, Death | None]]:
    """Yield (event, pid, death) for each line of what was read from the pipe; only a worker that is gone has died."""
    for line in chunk.splitlines():
        message = json.loads(line)
        yield message["event"], message["pid"], Death(**message["death"]) if "death" in message else None
