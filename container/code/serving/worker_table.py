"""
What each worker is doing, in memory that all of them share with the arbiter: nothing else is left of one that dies.

A row has one writer: its worker, and once that is dead the arbiter. A word at a multiple of its size is written and
read in one piece, so nothing is locked. The memory is the arbiter's, inherited by every fork: no file that could be
missing, full or somebody else's.
"""

import mmap
import time
from array import array
from collections.abc import Callable, Iterator, Sequence

from serving.suspects import SUSPECTS_WORDS, Suspects

WORD = 8  # bytes
PID, STATE, READY_AT, ANSWERED, ON_TRIAL, CALLED, EXITED, BUSY, FIRST_DIGEST = range(9)
MOST_DIGESTS = 1024  # that a row has room for; of a larger call, the others do not become suspects
ROW_WORDS = FIRST_DIGEST + MOST_DIGESTS
NOTHING_SPECIAL, REFUSED, STUCK = range(3)  # a worker's state, where it says more than its exit status

Clock = Callable[[], int]  # nanoseconds, the same in every process


class Row:
    """One worker: who it is, and which requests are in its call of the model."""

    __slots__ = ("_words",)

    def __init__(self, words: memoryview):
        self._words = words

    def begin(self, pid: int) -> None:
        """Take the row over."""
        self._words[:FIRST_DIGEST] = array("Q", [pid, *[0] * (FIRST_DIGEST - 1)])

    def enter(self, digests: Sequence[int], on_trial: bool) -> None:
        """Note that the model is called for the requests of these digests, or for one suspect that is *on_trial*."""
        words = self._words
        if len(digests) == 1:
            words[FIRST_DIGEST] = digests[0]
        else:
            listed = array("Q", digests[:MOST_DIGESTS])
            words[FIRST_DIGEST : FIRST_DIGEST + len(listed)] = listed
        words[ON_TRIAL] = on_trial
        words[CALLED] = len(digests)

    def leave(self, answered: int) -> None:
        """Note that the call is over, and how many requests it has answered."""
        words = self._words
        words[CALLED] = 0
        words[ANSWERED] += answered

    def ready(self, now: int) -> None:
        """Note that the worker has a warm model."""
        self._words[READY_AT] = now

    def note(self, state: int) -> None:
        """Note why the worker is about to end: `REFUSED`, it cannot start, or `STUCK`."""
        self._words[STATE] = state

    def exited(self, wait_status: int) -> None:
        """Note, in the arbiter, how the worker has ended: from here on the kernel does not know it any more."""
        self._words[EXITED] = wait_status + 1

    @property
    def wait_status(self) -> int | None:
        """How the worker has ended, None if the arbiter has not waited for it."""
        return self._words[EXITED] - 1 if self._words[EXITED] else None

    @property
    def pid(self) -> int:
        """The worker's process id, 0 for none."""
        return self._words[PID]

    @property
    def state(self) -> int:
        """What the worker has noted of its end."""
        return self._words[STATE]

    @property
    def ready_at(self) -> int:
        """When the worker became ready, 0 if it never did."""
        return self._words[READY_AT]

    @property
    def answered(self) -> int:
        """How many requests the worker has answered."""
        return self._words[ANSWERED]

    @property
    def called(self) -> int:
        """How many requests are in the worker's call of the model."""
        return self._words[CALLED]

    @property
    def on_trial(self) -> bool:
        """Whether the request in the call is a suspect by itself."""
        return bool(self._words[ON_TRIAL])

    @property
    def busy(self) -> bool:
        """Whether the worker has requests answered together, and has not come to their end."""
        return bool(self._words[BUSY])

    @busy.setter
    def busy(self, is_busy: bool) -> None:
        self._words[BUSY] = is_busy

    @property
    def digests(self) -> list[int]:
        """The digests of the requests in the call, as far as there was room for them."""
        return self._words[FIRST_DIGEST : FIRST_DIGEST + min(self.called, MOST_DIGESTS)].tolist()


class WorkerTable:
    """A row for each worker, one that nobody looks at for a worker without a number, and the suspects."""

    def __init__(self, workers: int, quarantine_seconds: float, clock: Clock = time.monotonic_ns):
        """Make the table, before anybody is forked who shall share it."""
        memory = mmap.mmap(-1, (1 + SUSPECTS_WORDS + (workers + 1) * ROW_WORDS) * WORD)
        words = memoryview(memory).cast("Q")
        self._sign, words = words[:1], words[1:]
        self.suspects = Suspects(words[:SUSPECTS_WORDS], quarantine_seconds, clock)
        starts = range(SUSPECTS_WORDS, len(words), ROW_WORDS)
        *self._rows, self._spare = [Row(words[start : start + ROW_WORDS]) for start in starts]

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows of the workers that have a number."""
        return iter(self._rows)

    def row(self, slot: int | None) -> Row:
        """Return the row of the worker of that number."""
        return self._rows[slot] if slot is not None and slot < len(self._rows) else self._spare

    @property
    def all_busy(self) -> bool:
        """Tell whether every worker is; one that is not there is not."""
        return all(row.busy for row in self._rows)

    @property
    def sign_hangs(self) -> bool:
        """Whether nginx refuses by itself; the one word that every worker writes."""
        return bool(self._sign[0])

    @sign_hangs.setter
    def sign_hangs(self, hangs: bool) -> None:
        self._sign[0] = hangs

    def bury(self, row: Row, certain: bool) -> None:
        """
        Make suspects of what was in a dead worker's call, and leave its row to its successor.

        Args:
            certain: whether the worker died of what it did; else somebody may have killed it.
        """
        self.suspects.add(row.digests, on_trial=row.on_trial, certain=certain)
        row.begin(0)
