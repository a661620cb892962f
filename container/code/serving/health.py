"""
The health verdict: files that nginx looks at, so that `/ping` never waits behind a prediction.

`healthy` exists while the answer is 200; otherwise `unhealthy.json` is the body of the 503. `draining` exists from
SIGTERM on.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from serving.errors import NotReady, error_body

log = logging.getLogger(__name__)


class HealthVerdict:
    """
    The present verdict, kept where nginx reads it.

    A disk that is full, or a folder that is gone, is said in the log and is no end of the server: a drain matters more.
    """

    def __init__(self, run_dir: Path):
        """Keep the verdict in *run_dir*; it begins unhealthy."""
        self._healthy = run_dir / "healthy"
        self._reason = run_dir / "unhealthy.json"
        self._draining = run_dir / "draining"
        self.reason: str | None = ""
        self.unhealthy("The server is starting.")

    def healthy(self) -> None:
        """Answer 200 from now on."""
        self.reason = None
        with said_if_impossible():
            if not self._healthy.is_file():
                write_new(self._healthy, b"")

    def unhealthy(self, reason: str) -> None:
        """Answer 503 with *reason* from now on."""
        before, self.reason = self.reason, reason
        with suppress(OSError):
            self._healthy.unlink(missing_ok=True)  # first, for it needs no room
        if reason == before:
            return
        with said_if_impossible():
            new = self._reason.with_suffix(".new")
            write_new(new, error_body(NotReady.code, reason, None))
            new.replace(self._reason)

    def drain(self, reason: str) -> None:
        """Answer 503 with *reason* from now on, and have nginx refuse invocations too."""
        self.unhealthy(reason)
        with said_if_impossible():
            write_new(self._draining, b"")


@contextmanager
def said_if_impossible() -> Iterator[None]:
    """Say what cannot be written; nginx goes on with an old verdict, or without the reason."""
    try:
        yield
    except OSError as error:
        log.error("the verdict of /ping cannot be written: %s; look at the room in the temporary folder", error)


def write_new(path: Path, content: bytes) -> None:
    """Write a new file, for everybody to read; whoever runs the model may have left a link in its place."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o644)  # whatever the umask
        file.write(content)
