"""What a user sees while something takes its time: lines on stderr, so that stdout holds the result alone."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

MB = 1 << 20
GB = 1 << 30
LARGE = 100 * MB  # what is smaller is done before one wonders

Say = Callable[[str], None]


def say(line: str) -> None:
    """Write a line to stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """What time it is, and how to wait some seconds."""

    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep


CLOCK = Clock()


class Progress:
    """Says how much of a large thing is done, at each tenth of it. May be called from several threads."""

    def __init__(self, what: str, total: int, say: Say):
        self._what, self._total, self._say = what, total, say
        self._done = self._tenths = 0
        self._lock = threading.Lock()

    def __call__(self, count: int) -> None:
        """Take note that *count* bytes more are done."""
        with self._lock:
            self._done += count
            tenths = min(self._done * 10 // max(self._total, 1), 10)
            if self._total >= LARGE and tenths > self._tenths:
                self._tenths = tenths
                self._say(f"- {self._what}: {tenths * 10} % of {in_words(self._total)}")


def in_words(size: int) -> str:
    """Return a number of bytes as people say it."""
    if size >= GB:
        return f"{size / GB:.1f} GB"
    return f"{size / MB:.1f} MB" if size >= MB else f"{size:,} bytes"


def minutes(seconds: float) -> str:
    """Return a duration as `3:20`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def listed(names: list[str], most: int = 5) -> str:
    """Return the names in a row, the first few of many; one that would spoil the line is shown with escapes."""
    shown = [name if name.isprintable() else ascii(name) for name in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")
