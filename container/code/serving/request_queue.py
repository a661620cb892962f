"""The requests that wait for the model: what came while it ran is its next batch. There is no timer to wait for."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from gevent.hub import Waiter, get_hub

from serving.batch_limit import FIRST_BATCH, BatchLimit
from serving.errors import DeadlineExceeded
from serving.inference import InferenceRequest, InferenceResponse
from serving.native_thread import NativeThread, late_message
from serving.outcome import Outcome

# Answers requests, of which some may not be wanted any more: yields the places and outcomes of those it is done with.
Answered = list[tuple[int, Outcome]]
Answer = Callable[[Sequence[InferenceRequest], Callable[[int], bool]], Iterator[Answered]]
Discard = Callable[[InferenceResponse], None]
Clock = Callable[[], float]

LARGE = 1 << 20  # bytes of bodies that are read before the first of them is answered
TICK = 0.05  # seconds by which a refusal may come too late


class TimeIsUp(Exception):
    """The answer is not there at the deadline."""


class Ticket:
    """A request that waits, and what becomes of it."""

    __slots__ = ("_discard", "_waiter", "deadline", "given_up", "request", "size")

    def __init__(self, request: InferenceRequest, deadline: float, discard: Discard):
        self.request = request
        self.deadline = deadline
        self.given_up = False
        # What a compressed body inflates to is not known yet.
        compressed = request.content_encoding not in ("", "identity")
        self.size = LARGE if compressed else len(request.body)
        self._discard = discard
        self._waiter = Waiter()

    def wait(self) -> InferenceResponse:
        """Return the answer, or raise what stands in its place."""
        try:
            outcome: Outcome = self._waiter.get()
        except BaseException:  # the time is up, or the greenlet is killed
            self.given_up = True
            raise
        try:
            return outcome.get()  # type: ignore[no-any-return]
        finally:
            del outcome  # its error has this frame in its traceback: a cycle, with the whole request in it

    def settle(self, outcome: Outcome, thread: NativeThread) -> None:
        """Hand over what became of the request, in the hub; an answer that nobody waits for is cleaned up after."""
        if not self.given_up:
            self._waiter.switch(outcome)
        elif outcome.error is None:
            thread.begin(partial(self._discard, outcome.value), lambda cleaned_up: None)

    def expire(self) -> None:
        """Let the caller go without an answer, in the hub."""
        self._waiter.throw(TimeIsUp())


class Batch:
    """Requests that are answered together, in one step or in several."""

    def __init__(self, tickets: Sequence[Ticket], answer: Answer, clock: Clock):
        self.size = len(tickets)
        self.seconds = 0.0
        self._unsettled = dict(enumerate(tickets))
        self._steps = answer([ticket.request for ticket in tickets], lambda place: not tickets[place].given_up)
        self._clock = clock

    def advance(self) -> Answered | None:
        """Take the next step, in the thread: return places and outcomes, None if nobody waits for those left."""
        began = self._clock()
        try:
            return next(self._steps, None)
        finally:
            self.seconds = self._clock() - began

    def settled_by(self, step: Outcome) -> list[tuple[Ticket, Outcome]]:
        """Return the tickets that *step* is the end of, with their outcomes; its error is the end of all."""
        if step.error is not None or step.value is None:
            left, self._unsettled = self._unsettled, {}
            return [(ticket, step) for ticket in left.values() if step.error is not None]
        return [(self._unsettled.pop(place), outcome) for place, outcome in step.value if place in self._unsettled]

    @property
    def is_over(self) -> bool:
        """Tell whether every ticket is settled."""
        return not self._unsettled


Learn = Callable[[Batch, Answered], None]


class RequestQueue:
    """
    Has everything that waits answered together, in the native thread, whenever that is free.

    All of it happens in the hub: greenlets wait, and the hub hands them what the thread has ready. Before a batch is
    begun the hub reads once what has come meanwhile, so that the batch holds everybody who is there already.
    """

    def __init__(
        self, thread: NativeThread, answer: Answer, most: int, first: int = FIRST_BATCH, clock: Clock = time.monotonic
    ):
        """Begin; *answer* is called with *first*, later *most* requests or fewer, and does its steps in *thread*."""
        self._thread, self._answer, self._clock = thread, answer, clock
        self._limit = BatchLimit(most, first)
        self._waiting: deque[Ticket] = deque()
        self._unanswered: set[Ticket] = set()
        self._answering = False
        loop = get_hub().loop
        self._turn = loop.timer(0.0, priority=loop.MINPRI)  # comes after what there is to read and to write
        self._tick = loop.timer(TICK, TICK)

    def run(self, request: InferenceRequest, timeout: float, discard: Discard) -> InferenceResponse:
        """
        Return the answer to *request*, or raise the error that is its answer.

        Args:
            discard: is given, in the thread, an answer that came too late.

        Raises:
            DeadlineExceeded: after *timeout* seconds. A request that had not been begun never will be.
        """
        ticket = Ticket(request, self._clock() + timeout, discard)
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
        if batch := self._next():
            self._answering = True
            self._take_step(Batch(batch, self._answer, self._clock), self._learn)

    def _take_step(self, batch: Batch, learn: Learn = lambda batch, answered: None) -> None:
        self._thread.begin(batch.advance, partial(self._hand_over, batch, learn))

    def _hand_over(self, batch: Batch, learn: Learn, step: Outcome) -> None:
        if step.value is not None:
            learn(batch, step.value)
        settled = batch.settled_by(step)
        if not batch.is_over:
            self._take_step(batch)
        else:
            self._answering = False
            if self._waiting:
                self._begin_at_next_turn()
        for ticket, outcome in settled:
            ticket.settle(outcome, self._thread)

    def _learn(self, batch: Batch, answered: Answered) -> None:
        # What is refused at once says nothing of what an answer takes.
        if not answered or any(outcome.error is None for _, outcome in answered):
            self._limit.learn(batch.size, batch.seconds, failed=not answered)

    def _next(self) -> list[Ticket]:
        """Return those that have waited longest and still do; what is large is read and answered by itself."""
        batch: list[Ticket] = []
        size = 0
        while self._waiting and len(batch) < self._limit.requests:
            size += self._waiting[0].size
            if batch and size > LARGE:
                break
            ticket = self._waiting.popleft()
            if not ticket.given_up:
                batch.append(ticket)
        return batch
