"""The requests that wait for the model: what came while it ran is its next batch. There is no timer to wait for."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import gevent
from gevent.event import AsyncResult, Event

from serving.errors import DeadlineExceeded
from serving.inference import InferenceRequest, InferenceResponse
from serving.native_thread import NativeThread, late_message
from serving.outcome import Outcome, outcome_of

# Answers requests, of which some may not be wanted any more: yields the places and outcomes of those it is done with.
Answer = Callable[[Sequence[InferenceRequest], Callable[[int], bool]], Iterator[list[tuple[int, Outcome]]]]
LARGE = 1 << 20  # bytes of bodies that are read before the first of them is answered
Discard = Callable[[InferenceResponse], None]


class Ticket:
    """A request that waits, and what becomes of it."""

    def __init__(self, request: InferenceRequest, discard: Discard):
        self.request = request
        self.given_up = False
        # What a compressed body inflates to is not known yet.
        self.size = LARGE if request.content_encoding else len(request.body)
        self._discard = discard
        self._outcome: AsyncResult[Outcome] = AsyncResult()

    def wait(self, timeout: float, thread: NativeThread) -> InferenceResponse:
        """Return the answer, or raise what stands in its place; `DeadlineExceeded` after *timeout* seconds."""
        fetched: Outcome | None = None
        try:
            fetched = self._outcome.get(timeout=timeout)
        except gevent.Timeout:
            raise DeadlineExceeded(late_message(timeout)) from None
        finally:
            self.given_up = fetched is None
            if self.given_up and self._outcome.ready():  # just now, and too late
                self._clean_up(self._outcome.get(), thread)
        return fetched.get()  # type: ignore[no-any-return]

    def settle(self, outcome: Outcome, thread: NativeThread) -> None:
        """Hand over what became of the request; an answer that nobody waits for is cleaned up after."""
        self._outcome.set(outcome)
        if self.given_up:
            self._clean_up(outcome, thread)

    def _clean_up(self, outcome: Outcome, thread: NativeThread) -> None:
        if outcome.error is None:
            thread.run_at_last(lambda: self._discard(outcome.value), patience=0)


class RequestQueue:
    """Has everything that waits answered together, in the native thread, whenever that is free."""

    def __init__(self, thread: NativeThread, answer: Answer, most: int):
        """Begin; *answer* is called in *thread*, a step at a time, with *most* requests or fewer."""
        self._thread = thread
        self._answer = answer
        self._most = most
        self._waiting: deque[Ticket] = deque()
        self._arrival = Event()
        gevent.spawn(self._serve)

    def run(self, request: InferenceRequest, timeout: float, discard: Discard) -> InferenceResponse:
        """
        Return the answer to *request*, or raise the error that is its answer.

        Args:
            discard: is given, in the thread, an answer that came too late.

        Raises:
            DeadlineExceeded: after *timeout* seconds. A request that had not been begun never will be.
        """
        ticket = Ticket(request, discard)
        self._waiting.append(ticket)
        self._arrival.set()
        return ticket.wait(timeout, self._thread)

    def _serve(self) -> None:
        while True:
            self._arrival.wait()
            self._arrival.clear()
            while batch := self._next():
                self._answer_all(batch)

    def _next(self) -> list[Ticket]:
        """Return those that have waited longest and still do; what is large is read and answered by itself."""
        batch: list[Ticket] = []
        size = 0
        while self._waiting and len(batch) < self._most:
            size += self._waiting[0].size
            if batch and size > LARGE:
                break
            ticket = self._waiting.popleft()
            if not ticket.given_up:
                batch.append(ticket)
        return batch

    def _answer_all(self, batch: list[Ticket]) -> None:
        """Settle each ticket as soon as its outcome is there; each step is a call in the thread of its own."""
        steps = self._answer([ticket.request for ticket in batch], lambda place: not batch[place].given_up)
        unsettled = dict(enumerate(batch))
        while unsettled:
            step = outcome_of(self._thread.run_to_end, partial(next, steps, None))
            if step.error is not None:
                step = Outcome([(place, step) for place in unsettled])
            elif step.value is None:
                return  # nobody waits for those that are left
            for place, outcome in step.value:
                unsettled.pop(place).settle(outcome, self._thread)
