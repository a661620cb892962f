"""
stderr, for lines that must not stop anybody: a pipe that nobody reads takes no more, and drops lines instead.

A write to a full pipe blocks, and a worker whose hub is blocked answers nobody. The pipe is opened once more for this,
because whether a write blocks belongs to an opened file: users' own prints still wait, which costs them no line.
"""

import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

OPENED_AGAIN = Path("/proc/self/fd")


class LogStream:
    """
    A text stream, as `logging` takes it.

    Attributes:
        on_drop: is called for each line that is not written.
    """

    def __init__(self, descriptor: int):
        """Write to *descriptor*; as anybody does, until `never_wait`."""
        self.descriptor = descriptor
        self.on_drop: Callable[[], None] = lambda: None
        self.unlock()
        self._begun = b""  # the rest of a line of which a part was written

    def never_wait(self) -> None:
        """Drop lines from now on rather than wait, where the log is a pipe that can be opened again."""
        with suppress(OSError):  # closed, another user's, or no /proc
            if os.get_blocking(self.descriptor) and stat.S_ISFIFO(os.fstat(self.descriptor).st_mode):
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
                self.descriptor = os.open(OPENED_AGAIN / str(self.descriptor), flags)

    def write(self, text: str) -> None:
        """Write a line, or drop it: a log that cannot be written to costs nobody an answer."""
        line = text.encode(errors="replace")
        with self._lock:
            if self._begun:
                self._begun = self._rest_of(self._begun)
            rest = line if self._begun else self._rest_of(line)
            if len(rest) == len(line):
                self.on_drop()
            else:
                self._begun = rest

    def unlock(self) -> None:
        """Begin with a new lock: a fork may have been made while some other thread had the old one."""
        self._lock = threading.RLock()  # a signal's handler may log while its own thread does

    def flush(self) -> None:
        """Have nothing to do: nothing is kept back but the rest of a line, until the next one."""

    def _rest_of(self, data: bytes) -> bytes:
        """Write what can be written of *data*; return the rest."""
        try:
            while data:
                data = data[os.write(self.descriptor, data) :]
        except OSError:
            return data
        return b""


STDERR = LogStream(2)
os.register_at_fork(after_in_child=STDERR.unlock)
