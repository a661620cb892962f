"""What would wait too long is refused at once, and nobody else: the estimate, and the queue with the real gevent."""

import select
import socket
import threading

import gevent
import pytest

from fakes import FakeClock
from server import until
from serving.admission import Admission
from serving.batch_limit import BatchLimit
from serving.body_room import BodyRoom, room_for_bodies
from serving.connections import has_gone
from serving.errors import CallerGone, NotReady, Overloaded, RequestError
from serving.hot_path import HotPath
from serving.inference import InferenceRequest, InferenceResponse, Timing
from serving.native_thread import NativeThread
from serving.outcome import Outcome
from serving.refusals import refusal_of
from serving.request_queue import RequestQueue
from serving.settings import MEGABYTE

PATIENCE = 20  # seconds for what is expected to come
LONG = 10_000.0  # seconds that a request has


@pytest.fixture
def clock():
    return FakeClock()


def experienced(clock, *calls, most=1, max_wait=None):
    """Return the admission to a model whose *calls* took so many seconds."""
    admission = Admission(BatchLimit(most), max_wait, clock)
    for seconds in calls:
        admission.begun()
        clock.now += seconds
        admission.ended()
    return admission


def admitted(admission, seconds_left=LONG):
    """Return how many may wait at once."""
    for ahead in range(100_000):
        try:
            admission.refuse_if_late(ahead, seconds_left)
        except Overloaded:
            return ahead
    return None


# -- the estimate


def test_as_many_may_wait_as_are_answered_within_three_quarters_of_a_second(clock):
    assert admitted(experienced(clock, 0.074)) == 11  # ten wait so long before this one


def test_who_asks_a_slow_model_may_wait_for_six_calls_of_it(clock):
    assert admitted(experienced(clock, 5.0)) == 7


def test_a_batch_is_one_call(clock):
    admission = experienced(clock, 0.5, most=64)
    for size in (2, 4, 8, 16, 32, 64):
        admission.limit.learn(size, 0.5, failed=False)
    assert admitted(admission) == 6 * 64 + 1


def test_a_burst_is_not_held_against_batches_that_were_small_so_far(clock):
    """The limit doubles as long as that costs hardly anything: the sixth call is for 64 requests."""
    assert admitted(experienced(clock, 0.2, most=256)) == 2 + 4 + 8 + 16 + 32 + 64 + 1


def test_a_limit_that_had_to_sink_is_not_expected_to_double(clock):
    admission = experienced(clock, 0.2, most=256)
    admission.limit.learn(8, 30.0, failed=False)
    admission.limit.learn(8, 300.0, failed=False)
    assert admitted(admission) == 6 * 4 + 1


def test_nobody_waits_longer_than_there_is_time_for_the_answer(clock):
    assert admitted(experienced(clock, 10.0), seconds_left=59.0) == 5  # 40 s of waiting, 10 s of the model


def test_the_operator_may_choose(clock):
    assert admitted(experienced(clock, 0.1, max_wait=0.55)) == 6
    assert admitted(experienced(clock, 0.1, max_wait=30.05)) == 301


def test_before_the_first_call_has_ended_nothing_is_known_and_nobody_refused(clock):
    admission = experienced(clock)
    admission.begun()
    clock.now += 30
    assert admitted(admission) is None


def test_who_finds_nobody_waiting_is_never_refused_however_slow_the_model_is_now(clock):
    admission = experienced(clock, 0.1)
    admission.begun()
    clock.now += 50
    admission.refuse_if_late(0, LONG)
    with pytest.raises(Overloaded):
        admission.refuse_if_late(1, LONG)


def test_a_call_that_takes_longer_than_usual_is_expected_to_take_as_long_again(clock):
    admission = experienced(clock, 1.0)
    admission.begun()
    assert admission.remaining() == pytest.approx(1.0)
    clock.now += 0.75
    assert admission.remaining() == pytest.approx(0.25)
    clock.now += 5.25
    assert admission.remaining() == pytest.approx(5.0)


def test_the_estimate_follows_the_model(clock):
    slower = experienced(clock, *[0.01] * 20, *[0.5] * 20)
    assert admitted(slower) == 7  # six calls of half a second


def test_a_refusal_says_why_and_when_to_come_again(clock):
    with pytest.raises(Overloaded) as refused:
        experienced(clock, 1.0).refuse_if_late(25, LONG)
    assert "25 requests wait before this one" in refused.value.message
    assert "lower rate" in refused.value.message
    refusal = refusal_of(refused.value, "id")
    assert refusal.status == 503
    assert refusal.headers == {"Retry-After": "19"}  # seconds, until six calls are left
    assert b'"code": "overloaded"' in refusal.body


def test_only_what_will_pass_says_when_to_come_again():
    assert refusal_of(NotReady("soon"), "id").headers == {"Retry-After": "1"}
    assert refusal_of(RequestError("failed"), "id").headers == {}


# -- bodies


def test_a_worker_holds_no_more_bodies_than_there_is_room_for():
    room = BodyRoom(100 * MEGABYTE)
    room.take(60 * MEGABYTE)
    room.take(40 * MEGABYTE)
    with pytest.raises(Overloaded) as refused:
        room.take(MEGABYTE // 2)
    assert "holds 100 MB of requests" in refused.value.message
    assert "no room for 0.5 MB more" in refused.value.message
    assert refused.value.retry_after == 1
    room.give_back(60 * MEGABYTE)
    room.take(MEGABYTE // 2)


def test_what_a_dead_worker_had_let_in_has_room_at_the_next_one():
    room = BodyRoom(10)
    room.take(10)
    head = b"POST /invocations HTTP/1.1\r\nHost: model\r\nX-Serving-Orphaned: 1\r\nContent-Length: 5\r\n\r\n"
    service = Echo()
    HotPath(service, None, room).serve(Pieces(head + b"saved"), lambda: True)
    assert service.bodies == [b"saved"]


def test_a_body_that_is_the_only_one_always_has_room():
    room = BodyRoom(MEGABYTE)
    room.take(1000 * MEGABYTE)
    room.give_back(1000 * MEGABYTE)
    room.take(1000 * MEGABYTE)


@pytest.mark.parametrize(
    ("memory", "workers", "most"), [(None, 1, None), (8 << 30, 2, 512 << 20), (1 << 30, 1, 128 << 20), (1, 9, 64 << 20)]
)
def test_the_workers_share_an_eighth_of_the_memory_for_bodies(memory, workers, most):
    room = room_for_bodies(memory, workers)
    room.take(most or 1 << 50)
    if most is not None:
        with pytest.raises(Overloaded):
            room.take(1)


class Pieces:
    """A connection that delivers what it was made with, and notes what was sent."""

    def __init__(self, *pieces):
        self.pieces, self.sent = list(pieces), b""

    def fileno(self):
        return -1

    def recv(self, size):
        piece = self.pieces.pop(0) if self.pieces else b""
        if piece[size:]:
            self.pieces.insert(0, piece[size:])
        return piece[:size]

    def send(self, data):
        self.sent += data
        return len(data)


class Echo:
    """A service that answers with what it is sent, and notes how much that is."""

    def __init__(self):
        self.bodies = []

    def answer(self, request):
        self.bodies.append(request.body)
        return InferenceResponse(request.body, "text/csv")


def test_a_body_without_room_is_read_away_refused_and_the_connection_goes_on():
    room, service = BodyRoom(10), Echo()
    head = b"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Length: %d\r\n\r\n"
    room.take(5)  # of another connection
    connection = Pieces(head % 9, b"too ", b"large" + head % 5 + b"fits.")
    assert HotPath(service, None, room).serve(connection, lambda: True) == b""
    refusal, answer = connection.sent.split(b"HTTP/1.1 ")[1:]
    assert refusal.startswith(b"503 ")
    assert b"Retry-After: 1\r\n" in refusal
    assert b'"code": "overloaded"' in refusal
    assert answer.endswith(b"\r\n\r\nfits.")
    assert service.bodies == [b"fits."]
    room.take(5)  # what was held for the two was given back
    with pytest.raises(Overloaded):
        room.take(1)


def test_a_caller_who_goes_in_the_middle_of_a_body_gives_its_room_back():
    room = BodyRoom(10)
    head = b"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Length: 10\r\n\r\n"
    assert HotPath(Echo(), None, room).serve(Pieces(head, b"half."), lambda: True) == b""
    room.take(10)
    with pytest.raises(Overloaded):
        room.take(1)


# -- callers who have gone


def test_a_connection_has_gone_when_the_other_side_has_closed_it():
    ours, theirs = socket.socketpair()
    with ours:
        assert not has_gone(ours)
        theirs.send(b"more")
        assert not has_gone(ours)
        theirs.close()
        assert has_gone(ours)
    assert has_gone(ours)  # closed by ourselves
    assert not has_gone(None)


def test_more_connections_than_select_can_look_at_are_no_matter():
    pairs = [socket.socketpair() for _ in range(600)]
    try:
        assert pairs[-1][1].fileno() > 1024
        with pytest.raises(ValueError, match="out of range"):
            select.select([pairs[-1][1]], [], [], 0)
        assert not has_gone(pairs[-1][1])
    finally:
        for pair in pairs:
            for one in pair:
                one.close()


class Gate:
    """A model that answers when told to."""

    def __init__(self):
        self.open = threading.Event()
        self.seen = []

    def __call__(self, requests, is_wanted):
        self.seen += [request.body for request in requests]
        assert self.open.wait(PATIENCE)
        yield [
            (place, Outcome(InferenceResponse(request.body, "text/plain"))) for place, request in enumerate(requests)
        ]


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open.set()


def queue_of(answer, clock, most=1, observe=lambda size, seconds: None):
    return RequestQueue(NativeThread(threads=1), answer, Admission(BatchLimit(most), None, clock), observe, clock)


def ask(queue, body, **more):
    return gevent.spawn(queue.run, InferenceRequest(body, **more), LONG, lambda answer: None)


def test_the_model_is_not_asked_for_a_caller_who_has_gone(gate, clock):
    queue = queue_of(gate, clock)
    first, gone, last = ask(queue, b"first"), ask(queue, b"gone", has_gone=lambda: True), ask(queue, b"last")
    until(lambda: gevent.sleep(0) or gate.seen, "the model's first call", PATIENCE)
    assert queue.waiting == 2
    clock.now += 1
    gate.open.set()
    gevent.joinall([first, gone, last], PATIENCE)
    assert gate.seen == [b"first", b"last"]
    assert isinstance(gone.exception, CallerGone)
    assert last.value.body == b"last"


def test_who_asked_just_now_is_not_looked_for(gate, clock):
    queue = queue_of(gate, clock)
    looked: list[str] = []
    greenlets = [ask(queue, b"x", has_gone=lambda: bool(looked.append("looked"))) for _ in range(5)]
    gate.open.set()
    gevent.joinall(greenlets, PATIENCE)
    assert looked == []


def test_a_queue_that_is_full_refuses_and_takes_more_once_it_has_moved_on(gate, clock):
    queue = RequestQueue(NativeThread(threads=1), gate, experienced(clock, 0.5), clock=clock)
    waiting = [ask(queue, b"%d" % number) for number in range(20)]
    gevent.sleep(0)
    refused = [greenlet for greenlet in waiting if greenlet.ready()]
    assert all(isinstance(greenlet.exception, Overloaded) for greenlet in refused)
    assert len(refused) == 20 - 7
    gate.open.set()
    gevent.joinall(waiting, PATIENCE)
    assert ask(queue, b"again").get(timeout=PATIENCE).body == b"again"


def test_a_request_knows_how_long_it_waited_how_long_it_took_and_with_how_many(clock):
    batches = []

    def answer(requests, is_wanted):
        clock.now += 0.25
        yield [(place, Outcome(b"")) for place, _ in enumerate(requests)]

    queue = queue_of(answer, clock, most=8, observe=lambda size, seconds: batches.append((size, seconds)))
    timings = [Timing() for _ in range(3)]
    gevent.joinall([ask(queue, b"x", timing=timing) for timing in timings], PATIENCE)
    assert [timing.batch for timing in timings] == [2, 2, 1]
    assert [timing.queue_seconds for timing in timings] == [0.0, 0.0, 0.25]
    assert [timing.model_seconds for timing in timings] == [0.25, 0.25, 0.25]
    assert batches == [(2, 0.25), (1, 0.25)]
