"""
Whether a request is let into the queue: only if the model will come to it in time, as far as one can tell.

What would wait longer than its caller is refused at once. The model then works for those whose answers are still
wanted, however many more ask.
"""

import math
import time
from collections.abc import Callable
from typing import Protocol

from serving.batch_limit import BatchLimit
from serving.errors import Overloaded

SHORT_WAIT = 0.75  # seconds that a request may wait for any model
CALLS = 6  # or so many calls of the model: who asks a slow one is patient
WEIGHT = 0.2  # of the last call in the estimate of the next
WORTH_A_SIGN = 0.001  # seconds for which nobody will be let in; it costs as much as one or two refusals: 0.1 ms
MOMENT = 0.125  # seconds at the end of a call, in which the sign may refuse somebody who would be let in

Clock = Callable[[], float]


class Sign(Protocol):
    """What spares this process those who would be refused before a call of the model has ended."""

    def begun(self) -> None:
        """Note that the model is called."""

    def ended(self) -> None:
        """Note that it is done: let them come again."""

    def hang(self) -> None:
        """Let nobody come any more."""


class NoSign:
    """Everybody comes, and hears it here."""

    def begun(self) -> None:
        """Do nothing."""

    def ended(self) -> None:
        """Do nothing."""

    def hang(self) -> None:
        """Do nothing."""


class Admission:
    """Predicts the wait for the model from what its last calls took."""

    def __init__(
        self, limit: BatchLimit, max_wait: float | None, clock: Clock = time.monotonic, sign: Sign | None = None
    ):
        """Refuse what would wait longer than *max_wait* seconds, None for what suits the model."""
        self.limit, self._max_wait, self._clock, self._sign = limit, max_wait, clock, sign or NoSign()
        self._call_seconds: float | None = None  # what a call of the model takes
        self._calling_since: float | None = None

    def begun(self) -> None:
        """Note that the model is called."""
        self._sign.begun()
        self._calling_since = self._clock()

    def ended(self) -> None:
        """Note that it is done."""
        self._sign.ended()
        if self._calling_since is None:
            return
        seconds, self._calling_since = self._clock() - self._calling_since, None
        before = self._call_seconds
        self._call_seconds = seconds if before is None else before + WEIGHT * (seconds - before)

    def refuse_if_late(self, ahead: int, seconds_left: float) -> None:
        """
        Let one more request wait behind those *ahead*.

        Raises:
            Overloaded: it would wait too long, or not be answered in the *seconds_left* that it has.
        """
        if not ahead or self._call_seconds is None:  # nobody waits, or nothing is known
            return
        after_this_call = self.limit.calls_for(ahead) * self._call_seconds
        wait = self.remaining() + after_this_call
        patience = self._patience(self._call_seconds)
        most = min(patience, seconds_left - self._call_seconds)
        if wait > most:
            if wait > patience and self._lasts(patience - after_this_call):
                self._sign.hang()
            raise Overloaded(overloaded_message(ahead), math.ceil(max(1.0, wait - most)))

    def _patience(self, call_seconds: float) -> float:
        return max(SHORT_WAIT, CALLS * call_seconds) if self._max_wait is None else self._max_wait

    def remaining(self) -> float:
        """Return the seconds until the present call ends; one that takes longer than usual, as long again."""
        return abs(self._until_usual_end())

    def _until_usual_end(self) -> float:
        if self._calling_since is None or self._call_seconds is None:
            return 0.0
        return self._call_seconds - (self._clock() - self._calling_since)

    def _lasts(self, room_before_end: float) -> bool:
        """
        Tell whether nobody at all is let in before the present call has ended, or as good as nobody.

        Args:
            room_before_end: how many seconds before its end the call leaves less to wait than anybody's patience.
        """
        left = self._until_usual_end()  # what remains sinks with it, but grows once the call is late
        return abs(left) > WORTH_A_SIGN and (left < 0 or room_before_end < MOMENT)


def overloaded_message(ahead: int) -> str:
    """Return what a caller is told who came when too many were there."""
    return (
        f"The model has more to do than it can in time: {ahead} requests wait before this one. Try again later, at a "
        "lower rate, or let the endpoint scale out."
    )
