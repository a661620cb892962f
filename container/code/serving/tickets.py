"""Requests on their way through the queue: each with the greenlet that waits for its outcome."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from gevent.hub import Waiter

from serving.errors import CallerGone
from serving.inference import InferenceRequest, InferenceResponse
from serving.native_thread import NativeThread
from serving.outcome import Outcome

# Answers requests, of which some may not be wanted any more: yields the places and outcomes of those it is done with.
Answered = list[tuple[int, Outcome]]
Answer = Callable[[Sequence[InferenceRequest], Callable[[int], bool]], Iterator[Answered]]
Discard = Callable[[InferenceResponse], None]
Clock = Callable[[], float]

LARGE = 1 << 20  # bytes of bodies that are read before the first of them is answered
# A look at whether a caller is still there costs a system call; who has waited for less is.
PATIENT = 0.1  # seconds


class TimeIsUp(Exception):
    """The answer is not there at the deadline."""


class Ticket:
    """A request that waits, and what becomes of it."""

    __slots__ = ("_discard", "_waiter", "came", "deadline", "given_up", "request", "size")

    def __init__(self, request: InferenceRequest, came: float, deadline: float, discard: Discard):
        self.request = request
        self.came = came
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

    def begin(self, now: float, batch: int) -> None:
        """Note that the model is called for this one and others, *batch* in all."""
        if timing := self.request.timing:
            timing.queue_seconds, timing.batch = now - self.came, batch

    def left_by_its_caller(self, now: float) -> bool:
        """Tell whether nobody waits any more; let the greenlet know, in the hub."""
        if now - self.came > PATIENT and not self.given_up and self.request.has_gone():
            self._waiter.throw(CallerGone("The caller closed the connection before the model was asked."))
        return self.given_up


class Batch:
    """Requests that are answered together, in one step or in several."""

    def __init__(self, tickets: Sequence[Ticket], answer: Answer, clock: Clock):
        self.size = len(tickets)
        self.seconds = 0.0  # of the last step
        self.model_seconds = 0.0  # of all
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
            self.model_seconds += self.seconds

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
