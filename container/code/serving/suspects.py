"""
The inputs that were in a worker's call of the model when it died.

One that was there among others, or unsuspected, becomes a suspect and is answered by itself, on trial. If its worker
dies of that call too, the input is quarantined; if it is answered, it is no suspect any more. So an innocent one, which
was only there when something else killed its worker, is cleared by its own answer. A worker that somebody has killed
says little about an input: it takes six of those deaths.

The arbiter writes what has died, the workers when something was answered: the two never write the same word.
"""

import time
from collections.abc import Callable, Iterable, Iterator

DIGEST, WEIGHT, DIED_AT, ANSWERED_AT = range(4)
ENTRY_WORDS = 4
ENTRIES = 4096
PROBES = 8  # places where a digest may be; with all of them taken, the oldest suspicion is forgotten
SUSPECTS_WORDS = (1 + ENTRIES) * ENTRY_WORDS
LAST_DEATH = 0  # the word that says whether there is anything to look for; the other three of the first entry are free
SECOND = 1_000_000_000  # ns

FULL_WEIGHT = 6  # of the deaths that put an input into quarantine; nginx has more tries than that
NO_SUSPECT, IN_A_CALL, SUSPECT, QUARANTINED = range(4)  # each is worse than the one before


class Suspects:
    """A hash table of digests in shared memory."""

    def __init__(self, words: memoryview, seconds: float, clock: Callable[[], int] = time.monotonic_ns):
        """Hold an input in quarantine for *seconds*, and as long under suspicion; 0 suspects nothing."""
        self._words, self._nanoseconds, self._clock = words, round(seconds * SECOND), clock

    @property
    def enabled(self) -> bool:
        """Whether there is a quarantine at all."""
        return self._nanoseconds > 0

    def __bool__(self) -> bool:
        """Tell, as cheaply as can be, whether there may be a suspect."""
        last = self._words[LAST_DEATH]
        return last > 0 and self._clock() - last < self._nanoseconds

    def verdict(self, digest: int) -> int:
        """Return `NO_SUSPECT`, `SUSPECT` or `QUARANTINED`."""
        entry = self._find(digest)
        return NO_SUSPECT if entry is None or not self._stands(entry) else (SUSPECT, QUARANTINED)[self._is_held(entry)]

    def seconds_left(self, digest: int) -> float:
        """Return for how long an input is held."""
        entry = self._find(digest)
        died = self._clock() if entry is None else self._words[entry + DIED_AT]
        return max(0, died + self._nanoseconds - self._clock()) / SECOND

    def clear(self, digest: int) -> None:
        """Note, in a worker, that an input was answered."""
        entry = self._find(digest)
        if entry is not None:
            self._words[entry + ANSWERED_AT] = self._clock()

    def add(self, digests: Iterable[int], *, on_trial: bool, certain: bool = True) -> None:
        """
        Note, in the arbiter, that a worker has died over these inputs, or over one that was *on_trial*.

        Args:
            certain: whether it died of what it did; else somebody may have killed it.
        """
        if not self.enabled:
            return
        for digest in set(digests):
            self._add(digest, (FULL_WEIGHT if certain else 1) if on_trial else 0)
            self._words[LAST_DEATH] = self._clock()

    def _add(self, digest: int, weight: int) -> None:
        words = self._words
        entry = self._find(digest)
        if entry is None:  # or its first death has not been seen yet
            entry, weight = min(self._places(digest), key=self._worth), 1 + weight
        else:
            weight = words[entry + WEIGHT] + weight if self._stands(entry) else 1
        words[entry + DIED_AT] = 0  # nobody reads a half-written entry
        words[entry + DIGEST] = digest
        words[entry + ANSWERED_AT] = 0
        words[entry + WEIGHT] = weight
        words[entry + DIED_AT] = self._clock()

    def _worth(self, entry: int) -> tuple[bool, bool, int]:
        return self._stands(entry), self._is_held(entry), self._words[entry + DIED_AT]

    def _is_held(self, entry: int) -> bool:
        return self._words[entry + WEIGHT] >= FULL_WEIGHT

    def _stands(self, entry: int) -> bool:
        """Tell whether the suspicion has neither expired nor been cleared by an answer since."""
        died = self._words[entry + DIED_AT]
        return died > self._words[entry + ANSWERED_AT] and self._clock() - died < self._nanoseconds

    def _find(self, digest: int) -> int | None:
        words = self._words
        return next((e for e in self._places(digest) if words[e + DIGEST] == digest and words[e + DIED_AT]), None)

    def _places(self, digest: int) -> Iterator[int]:
        return ((1 + (digest + probe) % ENTRIES) * ENTRY_WORDS for probe in range(PROBES))
