"""The requests that wait for the model: what came while it ran is its next batch. There is no timer to wait for."""

import time
from collections import deque
from collections.abc import Callable
from functools import partial

from gevent.hub import get_hub

from serving.admission import Admission
from serving.errors import DeadlineExceeded
from serving.inference import InferenceRequest, InferenceResponse
from serving.native_thread import NativeThread, late_message
from serving.outcome import Outcome
from serving.quarantine import is_orphaned
from serving.tickets import LARGE, Answer, Answered, Batch, Clock, Discard, Ticket, TimeIsUp

Observe = Callable[[int, float], None]

TICK = 0.05  # seconds by which a refusal may come too late
Learn = Callable[[Batch, Answered], None]


class RequestQueue:
    """
    Has everything that waits answered together, in the native thread, whenever that is free.

    All of it happens in the hub: greenlets wait, and the hub hands them what the thread has ready. Before a batch is
    begun the hub reads once what has come meanwhile, so that the batch holds everybody who is there already.
    """

    def __init__(  # noqa: PLR0913 - whom it works with
        self,
        thread: NativeThread,
        answer: Answer,
        admission: Admission,
        observe: Observe = lambda size, seconds: None,
        clock: Clock = time.monotonic,
        *,
        stands_alone: Callable[[InferenceRequest], bool] = lambda request: False,
    ):
        """
        Begin; *answer* is called with as many requests as *admission* has limited batches to, in *thread*.

        Args:
            observe: is told of each batch how many requests it was, and how many seconds it took.
            stands_alone: tells whether a request must be a batch by itself.
        """
        self._thread, self._answer, self._observe, self._clock = thread, answer, observe, clock
        self._stands_alone = stands_alone
        self._admission, self._limit = admission, admission.limit
        self._waiting: deque[Ticket] = deque()
        self._unanswered: set[Ticket] = set()
        self._answering = False
        loop = get_hub().loop
        self._turn = loop.timer(0.0, priority=loop.MINPRI)  # comes after what there is to read and to write
        self._tick = loop.timer(TICK, TICK)

    @property
    def waiting(self) -> int:
        """Return how many requests the model has not been asked for yet."""
        return len(self._waiting)

    def run(self, request: InferenceRequest, timeout: float, discard: Discard) -> InferenceResponse:
        """
        Return the answer to *request*, or raise the error that is its answer.

        Args:
            discard: is given, in the thread, an answer that came too late.

        Raises:
            Overloaded: at once, if it would wait too long.
            DeadlineExceeded: after *timeout* seconds. A request that had not been begun never will be.
            CallerGone: when its turn comes, and its caller does not wait any more.
        """
        if not is_orphaned(request):  # it was let in by a worker that has died
            self._admission.refuse_if_late(len(self._waiting), timeout)
        now = self._clock()
        ticket = Ticket(request, now, now + timeout, discard)
        self._waiting.append(ticket)
        self._begin_at_next_turn()
        if not self._unanswered:
            self._tick.start(self._refuse_the_late)
        self._unanswered.add(ticket)
        try:
            return ticket.wait()
        except TimeIsUp:
            raise DeadlineExceeded(late_message(timeout)) from None
        finally:
            self._unanswered.discard(ticket)
            if not self._unanswered:
                self._tick.stop()

    def _refuse_the_late(self) -> None:
        now = self._clock()
        for ticket in [one for one in self._unanswered if one.deadline <= now]:
            ticket.expire()

    def _begin_at_next_turn(self) -> None:
        if not self._answering and not self._turn.active:
            self._turn.start(self._begin)

    def _begin(self) -> None:
        self._turn.stop()
        now = self._clock()
        self._answering = True  # from here on, for greenlets may run while their callers are looked for
        tickets: list[Ticket] = []
        try:
            tickets = self._next(now)
        finally:
            self._answering = bool(tickets)
        if tickets:
            for ticket in tickets:
                ticket.begin(now, len(tickets))
            self._admission.begun()
            self._take_step(Batch(tickets, self._answer, self._clock), self._learn)

    def _take_step(self, batch: Batch, learn: Learn = lambda batch, answered: None) -> None:
        self._thread.begin(batch.advance, partial(self._hand_over, batch, learn))

    def _hand_over(self, batch: Batch, learn: Learn, step: Outcome) -> None:
        if step.value is not None:
            learn(batch, step.value)
        settled = batch.settled_by(step)
        if not batch.is_over:
            self._take_step(batch)
        else:
            self._end(batch)
        for ticket, outcome in settled:
            if timing := ticket.request.timing:
                timing.model_seconds = batch.model_seconds
            ticket.settle(outcome, self._thread)

    def _end(self, batch: Batch) -> None:
        self._answering = False
        self._admission.ended()
        self._observe(batch.size, batch.model_seconds)
        if self._waiting:
            self._begin_at_next_turn()

    def _learn(self, batch: Batch, answered: Answered) -> None:
        # What is refused at once says nothing of what an answer takes.
        if not answered or any(outcome.error is None for _, outcome in answered):
            self._limit.learn(batch.size, batch.seconds, failed=not answered)

    def _next(self, now: float) -> list[Ticket]:
        """Return those that have waited longest and still do; what is large is read and answered by itself."""
        batch: list[Ticket] = []
        size = 0
        while self._waiting and len(batch) < self._limit.requests:
            size += self._waiting[0].size
            alone = self._stands_alone(self._waiting[0].request)
            if batch and (alone or size > LARGE):
                break
            ticket = self._waiting.popleft()
            if not ticket.left_by_its_caller(now):
                batch.append(ticket)
                if alone:
                    break
        return batch
