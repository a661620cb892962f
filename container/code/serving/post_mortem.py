"""What is found at a worker that has died: its row in the table, the OOM killer's count, the stack that it left."""

import time
from collections.abc import Callable
from typing import NamedTuple

from serving.deaths import Death, Evidence, diagnose, peak_in_megabytes
from serving.suspects import SECOND
from serving.worker_table import REFUSED, STUCK, Row, WorkerTable

MOST_LINES = 24  # of a stack
MOST_LETTERS = 2400  # of it: the pipe to `serve` takes 4096 bytes in one piece


class Remains(NamedTuple):
    """
    What gunicorn knows of a worker that has ended.

    Attributes:
        slot: its number, None if it had none.
        maxrss: its greatest size, as the kernel says it.
        born_at: when it was forked, on the monotonic clock.
        asked: whether the arbiter had told it to end.
        silent: whether the arbiter had given it up for want of a sign of life.
        stack: what it wrote when native code crashed.
    """

    pid: int
    slot: int | None
    wait_status: int
    maxrss: int
    born_at: float
    asked: bool = False
    silent: bool = False
    stack: str = ""


class PostMortem:
    """Looks at dead workers, one after the other, and leaves their rows to their successors."""

    def __init__(
        self, table: WorkerTable, oom_kills: Callable[[], int | None], clock: Callable[[], float] = time.monotonic
    ):
        """Count from now what *oom_kills* counts since the container began."""
        self._table, self._oom_kills, self._clock = table, oom_kills, clock
        self._oom_kills_seen = oom_kills()
        self._answered = 0  # by those that are dead

    def begin(self, pid: int, slot: int | None, wait_status: int) -> None:
        """Let the other workers know at once how a worker has ended: they may have its requests already."""
        row = self._table.row(slot)
        if row.pid == pid:
            row.exited(wait_status)

    def of(self, remains: Remains) -> Death:
        """Return what the worker died of, and suspect what was in its call."""
        row = self._table.row(remains.slot)
        known = row.pid == remains.pid  # else it died before it took its row over
        state = row.state if known else 0
        evidence = Evidence(
            remains.asked, state == REFUSED, state == STUCK, remains.silent, self._oom_kills_since_the_last()
        )
        death = diagnose(remains.wait_status, evidence)._replace(
            peak_memory_mb=peak_in_megabytes(remains.maxrss),
            seconds_lived=round(self._clock() - remains.born_at, 3),
            stack=shortened(remains.stack),
        )
        if known:
            death = self._with_its_work(death, row)
            self._table.bury(row, certain=not death.by_somebody)
        return death

    def _with_its_work(self, death: Death, row: Row) -> Death:
        others = sum(other.answered for other in self._table if other is not row)
        self._answered += row.answered
        return death._replace(
            in_model=row.called,
            on_trial=row.called > 0 and row.on_trial,
            answered=row.answered,
            answered_by_all=self._answered + others,
            seconds_ready=round(self._clock() - row.ready_at / SECOND, 3) if row.ready_at else None,
        )

    def _oom_kills_since_the_last(self) -> int | None:
        before, self._oom_kills_seen = self._oom_kills_seen, self._oom_kills()
        if before is None or self._oom_kills_seen is None:
            return None
        return self._oom_kills_seen - before


def shortened(stack: str) -> str:
    """Return the innermost calls of what `faulthandler` wrote, those of the thread that crashed first."""
    threads = [part for part in stack.split("\n\n") if "thread" in part.partition("\n")[0].lower()]
    threads.sort(key=lambda part: not part.startswith("Current"))
    lines = [line for thread in threads for line in thread.splitlines()]
    return "\n".join(lines[:MOST_LINES])[:MOST_LETTERS]
