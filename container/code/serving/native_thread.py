"""The one native thread in which a worker runs its model, so that the gevent hub stays free to read and to answer."""

import sys
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

import gevent
from gevent.event import AsyncResult
from gevent.hub import get_hub
from threadpoolctl import threadpool_limits

from serving.errors import DeadlineExceeded
from serving.outcome import Outcome, outcome_of

# How often a thread that computes in Python lets the hub run; the default, 5 ms, is felt in every answer.
SWITCH_INTERVAL = 0.001

Result = TypeVar("Result")


class NativeThread:
    """Runs calls one after the other in a thread of its own; the hub, in whose thread it is made, goes on meanwhile."""

    def __init__(self, threads: int, clock: Callable[[], float] = time.monotonic):
        """Start the thread; the native libraries may use *threads* processors in it."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._clock = clock
        self._calls: SimpleQueue[tuple[Callable[[], Any], Callable[[Outcome], None]]] = SimpleQueue()
        self._loop = get_hub().loop
        self._busy_since: float | None = None
        # Not joined at the end of the process: a model that is stuck would never let it end.
        threading.Thread(target=self._work, args=(threads,), name="model", daemon=True).start()

    def begin(self, call: Callable[[], Any], then: Callable[[Outcome], None]) -> None:
        """Have *call* run when its turn comes, and *then* be given its outcome in the hub, where it must not block."""
        self._calls.put((call, then))

    def run(
        self, call: Callable[[], Result], timeout: float, discard: Callable[[Result], None] = lambda value: None
    ) -> Result:
        """
        Return what *call* returns, or raise what it raises; the calling greenlet waits.

        Args:
            discard: is given, in the thread, what *call* returned too late.

        Raises:
            DeadlineExceeded: after *timeout* seconds. A call that had not begun never will.
        """
        given_up = threading.Event()  # the call is still in the queue, although nobody waits for it any more
        outcomes: list[Outcome] = []

        def attempt() -> None:
            if not given_up.is_set():
                outcomes.append(outcome_of(call))

        try:
            with gevent.Timeout(timeout, DeadlineExceeded(late_message(timeout))):
                self._wait_for(attempt)
        except BaseException:
            given_up.set()
            # After the call, for it is one thread; or nothing, if the call never began.
            self.run_at_last(lambda: discard_late(outcomes, discard), patience=0)
            raise
        (outcome,) = outcomes
        return outcome.get()  # type: ignore[no-any-return]

    def run_at_last(self, call: Callable[[], None], patience: float = 1.0) -> None:
        """Run *call*, which must not raise, when its turn comes, however late; wait *patience* seconds for that."""
        gevent.spawn(self._wait_for, call).join(patience)

    def busy_seconds(self) -> float:
        """Return for how long the present call has been running, 0 when there is none."""
        since = self._busy_since
        return 0.0 if since is None else self._clock() - since

    def _wait_for(self, call: Callable[[], Any]) -> None:
        done: AsyncResult[Outcome] = AsyncResult()
        self.begin(call, done.set)
        done.get()

    def _work(self, threads: int) -> None:
        # OpenMP keeps its number of threads per thread: it has to be raised in the one that runs the model.
        threadpool_limits(threads)
        while True:
            call, then = self._calls.get()
            self._busy_since = self._clock()
            outcome = outcome_of(call)
            self._busy_since = None
            self._loop.run_callback_threadsafe(then, outcome)
            del call, then, outcome  # or the last batch would be kept until the next one comes


def discard_late(outcomes: list[Outcome], discard: Callable[[Any], None]) -> None:
    """Give *discard* what a call returned after its caller had given up."""
    for outcome in outcomes:
        if outcome.error is None:
            discard(outcome.value)


def apart(call: Callable[..., Result], *arguments: Any) -> Result:
    """Return what a short call returns that asks the kernel for much, in some other thread; the greenlet waits."""
    return get_hub().threadpool.apply(call, arguments)  # type: ignore[no-any-return]


def late_message(timeout: float) -> str:
    """Return what a caller is told whose answer did not come in time."""
    return (
        f"The model did not answer within {timeout:g} s. Send smaller requests, or use an asynchronous endpoint "
        "with a higher SAGEMAKER_MODEL_SERVER_TIMEOUT."
    )
