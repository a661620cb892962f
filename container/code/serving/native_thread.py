"""The one native thread in which a worker runs its model, so that the gevent hub stays free to read and to answer."""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent.threadpool import ThreadPool
from threadpoolctl import threadpool_limits

from serving.errors import DeadlineExceeded
from serving.outcome import Outcome, outcome_of

# How often a thread that computes in Python lets the hub run; the default, 5 ms, is felt in every answer.
SWITCH_INTERVAL = 0.001

Result = TypeVar("Result")


class NativeThread:
    """Runs calls one after the other in a thread of its own; the calling greenlet waits without blocking the hub."""

    def __init__(self, threads: int, clock: Callable[[], float] = time.monotonic):
        """Start the thread; the native libraries may use *threads* processors in it."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._clock = clock
        self._pool = ThreadPool(1)
        self._busy_since: float | None = None
        # OpenMP keeps its number of threads per thread: it has to be raised in the one that runs the model.
        self._pool.apply(threadpool_limits, (threads,))

    def run(
        self, call: Callable[[], Result], timeout: float, discard: Callable[[Result], None] = lambda value: None
    ) -> Result:
        """
        Return what *call* returns, or raise what it raises.

        Args:
            discard: is given, in the thread, what *call* returned too late.

        Raises:
            DeadlineExceeded: after *timeout* seconds. A call that had not begun never will.
        """
        given_up = threading.Event()  # the pool keeps one call in its queue, although nobody waits for it any more
        outcomes: list[Outcome] = []
        try:
            with gevent.Timeout(timeout, DeadlineExceeded(late_message(timeout))):
                self._pool.apply(self._attempt, (call, given_up, outcomes))
        except BaseException:
            given_up.set()
            # After the call, for it is one thread; or nothing, if the call never began.
            self.run_at_last(lambda: discard_late(outcomes, discard), patience=0)
            raise
        (outcome,) = outcomes
        return outcome.get()  # type: ignore[no-any-return]

    def run_to_end(self, call: Callable[[], Result]) -> Result:
        """Return what *call* returns, or raise what it raises, however long that takes."""
        outcomes: list[Outcome] = []
        self._pool.apply(self._attempt, (call, threading.Event(), outcomes))
        return outcomes[0].get()  # type: ignore[no-any-return]

    def run_at_last(self, call: Callable[[], None], patience: float = 1.0) -> None:
        """Run *call*, which must not raise, when its turn comes, however late; wait *patience* seconds for that."""
        gevent.spawn(self._pool.apply, self._attempt, (call, threading.Event(), [])).join(patience)

    def busy_seconds(self) -> float:
        """Return for how long the present call has been running, 0 when there is none."""
        since = self._busy_since
        return 0.0 if since is None else self._clock() - since

    def _attempt(self, call: Callable[[], Any], given_up: threading.Event, outcomes: list[Outcome]) -> None:
        if given_up.is_set():
            return
        self._busy_since = self._clock()
        outcomes.append(outcome_of(call))
        self._busy_since = None


def discard_late(outcomes: list[Outcome], discard: Callable[[Any], None]) -> None:
    """Give *discard* what a call returned after its caller had given up."""
    for outcome in outcomes:
        if outcome.error is None:
            discard(outcome.value)


def late_message(timeout: float) -> str:
    """Return what a caller is told whose answer did not come in time."""
    return (
        f"The model did not answer within {timeout:g} s. Send smaller requests, or use an asynchronous endpoint "
        "with a higher SAGEMAKER_MODEL_SERVER_TIMEOUT."
    )
