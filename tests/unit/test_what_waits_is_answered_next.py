"""The queue in front of the model, with the real gevent: what came while the model ran is its next batch."""

import gc
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress

import gevent
import pytest

from fakes import FakeClock
from server import until
from serving.admission import Admission
from serving.batch_limit import BatchLimit
from serving.errors import BadRequest, DeadlineExceeded, Overloaded
from serving.inference import InferenceRequest, InferenceResponse
from serving.native_thread import NativeThread
from serving.outcome import Outcome
from serving.quarantine import ORPHANED
from serving.request_queue import RequestQueue
from serving.tickets import LARGE

PATIENCE = 20  # seconds for what is expected to come
NEVER_REFUSE = 1000  # seconds that a request may wait
IMPATIENCE = 0.05  # for what is not


class Model:
    """Answers each request with its own body, once the gate is open; notes which ones came together."""

    def __init__(self):
        self.gate = threading.Event()
        self.batches: list[list[bytes]] = []
        self.threads: set[int] = set()

    def __call__(self, requests, is_wanted):
        self.batches.append([request.body for request in requests])
        self.threads.add(threading.get_ident())
        assert self.gate.wait(PATIENCE)
        yield [
            (place, Outcome(InferenceResponse(request.body, "text/plain"))) for place, request in enumerate(requests)
        ]


@pytest.fixture
def model():
    model = Model()
    yield model
    model.gate.set()


@pytest.fixture
def thread():
    return NativeThread(threads=1)


def queue_of(thread, answer, most=100):
    return RequestQueue(thread, answer, Admission(BatchLimit(most, first=most), NEVER_REFUSE))


def ask(queue, body, timeout=PATIENCE, discard: Callable = lambda answer: None):
    return gevent.spawn(queue.run, InferenceRequest(body), timeout, discard)


def busy(queue, model):
    """Ask something, and return the greenlet once the model works on it."""
    greenlet = ask(queue, b"first")
    until(lambda: gevent.sleep(0) or model.batches, "the model's first batch", PATIENCE)
    return greenlet


def test_one_request_is_answered_at_once_and_alone(thread, model):
    model.gate.set()
    assert queue_of(thread, model).run(InferenceRequest(b"x"), PATIENCE, print).body == b"x"
    assert model.batches == [[b"x"]]


def test_what_came_while_the_model_ran_is_answered_together_and_in_order(thread, model):
    queue = queue_of(thread, model)
    first = busy(queue, model)
    others = [ask(queue, b"%d" % number) for number in range(5)]
    gevent.sleep(0)
    model.gate.set()
    gevent.joinall([first, *others], PATIENCE, raise_error=True)
    assert model.batches == [[b"first"], [b"0", b"1", b"2", b"3", b"4"]]
    assert [greenlet.value.body for greenlet in others] == [b"0", b"1", b"2", b"3", b"4"]


def test_the_model_runs_in_its_native_thread_and_the_hub_goes_on(thread, model):
    queue = queue_of(thread, model)
    first = busy(queue, model)
    assert thread.busy_seconds() > 0
    assert not first.ready()  # and this line was reached
    model.gate.set()
    first.join(PATIENCE)
    assert model.threads == {thread.run(threading.get_ident, PATIENCE)} != {threading.get_ident()}


def test_no_more_requests_go_together_than_there_may_be_rows(thread, model):
    queue = queue_of(thread, model, most=2)
    first = busy(queue, model)
    others = [ask(queue, b"%d" % number) for number in range(5)]
    gevent.sleep(0)
    model.gate.set()
    gevent.joinall([first, *others], PATIENCE, raise_error=True)
    assert [len(batch) for batch in model.batches] == [1, 2, 2, 1]


def test_each_waits_for_its_own_outcome_be_it_an_error(thread):
    def answer(requests, is_wanted):
        for place, request in enumerate(requests):
            yield [(place, Outcome(error=BadRequest("bad")) if request.body == b"bad" else Outcome(request.body))]

    queue = queue_of(thread, answer)
    good, bad = ask(queue, b"good"), ask(queue, b"bad")
    gevent.joinall([good, bad], PATIENCE)
    assert good.value == b"good"
    assert isinstance(bad.exception, BadRequest)


def test_a_request_whose_time_is_up_is_told_so_and_never_begun(thread, model):
    queue = queue_of(thread, model)
    first = busy(queue, model)
    late = ask(queue, b"late", IMPATIENCE)
    late.join(PATIENCE)
    assert isinstance(late.exception, DeadlineExceeded)
    assert "did not answer within 0.05 s" in str(late.exception)
    model.gate.set()
    first.join(PATIENCE)
    assert queue.run(InferenceRequest(b"next"), PATIENCE, print).body == b"next"
    assert [b"late"] not in model.batches


def test_an_answer_that_nobody_waits_for_any_more_is_cleaned_up_after_in_the_models_thread(thread, model):
    queue, cleaned = queue_of(thread, model), []
    late = ask(queue, b"late", 10 * IMPATIENCE, lambda answer: cleaned.append((answer.body, threading.get_ident())))
    late.join(PATIENCE)
    assert isinstance(late.exception, DeadlineExceeded)
    assert not cleaned
    model.gate.set()
    until(lambda: gevent.sleep(0) or cleaned, "the clean-up", PATIENCE)
    assert cleaned == [(b"late", model.threads.pop())]


def test_a_request_whose_greenlet_is_killed_is_not_begun(thread, model):
    """As when gunicorn gives up on it."""
    queue = queue_of(thread, model)
    first = busy(queue, model)
    killed = ask(queue, b"killed")
    gevent.sleep(0)
    killed.kill()
    model.gate.set()
    first.join(PATIENCE)
    assert queue.run(InferenceRequest(b"next"), PATIENCE, print).body == b"next"
    assert [b"killed"] not in model.batches


def test_a_fault_of_the_server_reaches_everybody_and_the_next_request_is_served(thread):
    def answer(requests, is_wanted):
        if requests[0].body == b"fault":
            raise RuntimeError("a fault")
        yield [(place, Outcome(request.body)) for place, request in enumerate(requests)]

    queue = queue_of(thread, answer)
    faulty = [ask(queue, b"fault"), ask(queue, b"beside it")]
    gevent.joinall(faulty, PATIENCE)
    assert [str(greenlet.exception) for greenlet in faulty] == ["a fault", "a fault"]
    assert queue.run(InferenceRequest(b"next"), PATIENCE, print) == b"next"


def test_each_step_has_its_own_time_and_its_answers_go_out_after_it(thread):
    """A worker is stuck when one call of the model takes too long, not when many calls do one after the other."""
    gates = [threading.Event(), threading.Event()]

    def answer(requests, is_wanted):
        for place, gate in enumerate(gates[: len(requests)]):
            assert gate.wait(PATIENCE)
            yield [(place, Outcome(requests[place].body))]

    clock = FakeClock()
    thread = NativeThread(threads=1, clock=clock)
    queue = queue_of(thread, answer)
    first, second = ask(queue, b"first"), ask(queue, b"second")
    until(lambda: gevent.sleep(0) or thread.busy_seconds() == 0.0, "the begin", PATIENCE)
    clock.advance(30.0)
    gates[0].set()
    first.join(PATIENCE)
    assert first.value == b"first"
    assert not second.ready()
    clock.advance(20.0)
    assert thread.busy_seconds() <= 20.0
    gates[1].set()
    second.join(PATIENCE)
    assert second.value == b"second"


def test_a_request_that_is_not_wanted_any_more_is_said_to_be_so(thread, model):
    seen = []

    def answer(requests, is_wanted):
        assert model.gate.wait(PATIENCE)
        seen.extend(map(is_wanted, range(len(requests))))
        yield [(place, Outcome(request.body)) for place, request in enumerate(requests) if is_wanted(place)]

    queue = queue_of(thread, answer)
    late, patient = ask(queue, b"late", IMPATIENCE), ask(queue, b"patient")
    late.join(PATIENCE)
    model.gate.set()
    patient.join(PATIENCE)
    assert patient.value == b"patient"
    assert seen == [False, True]


def test_large_requests_are_read_one_after_the_other(thread, model):
    """Or a small one would wait until all of them are read, and all of them would be in memory."""
    queue = queue_of(thread, model)
    first = busy(queue, model)
    large = [ask(queue, bytes(LARGE)) for _ in range(2)]
    small = [ask(queue, b"%d" % number) for number in range(2)]
    compressed = gevent.spawn(queue.run, InferenceRequest(b"x", content_encoding="gzip"), PATIENCE, lambda answer: None)
    gevent.sleep(0)
    model.gate.set()
    gevent.joinall([first, *large, *small, compressed], PATIENCE, raise_error=True)
    assert [len(batch) for batch in model.batches] == [1, 1, 1, 2, 1]


def sizes_of_batches(thread, seconds_for, number, outcome_for=lambda batch: Outcome(b"")):
    """Ask *number* requests at once of a model that takes `seconds_for(n)` for n of them; return who went together."""
    clock, sizes = FakeClock(), []

    def answer(requests, is_wanted):
        sizes.append(len(requests))
        clock.advance(seconds_for(len(requests)))
        if outcome := outcome_for(len(sizes)):
            yield [(place, outcome) for place, request in enumerate(requests)]
        else:
            yield []
            yield [(place, Outcome(b"")) for place, request in enumerate(requests)]

    queue = RequestQueue(thread, answer, Admission(BatchLimit(1000), NEVER_REFUSE, clock), clock=clock)
    gevent.joinall([ask(queue, b"x", 10_000) for _ in range(number)], PATIENCE)
    return sizes


def test_twice_as_many_go_together_as_long_as_it_takes_hardly_longer(thread):
    assert sizes_of_batches(thread, lambda size: 3.0 + 0.001 * size, 126) == [2, 4, 8, 16, 32, 64]


def test_nobody_waits_much_longer_for_neighbours_than_for_the_answer(thread):
    """Or 128 callers of a model that takes a second for each row would wait two minutes, and the worker be killed."""
    assert sizes_of_batches(thread, lambda size: 0.2 + 0.1 * size, 62) == [2, 4, *[8] * 7]
    assert sizes_of_batches(thread, lambda size: 5.0 * size, 10) == [2, 4, 2, 2]


def test_a_batch_that_took_too_long_makes_the_next_one_smaller(thread):
    seconds = iter([0.1, 0.1, 0.1, 5.0, 5.0, 0.1, 0.1, 0.1])
    assert sizes_of_batches(thread, lambda size: next(seconds), 60) == [2, 4, 8, 16, 8, 4, 8, 10]


def test_a_refusal_that_takes_no_time_says_nothing_of_how_long_answers_take(thread):
    seconds = iter([2.0, 0.0, *[2.0] * 5])
    refused = Outcome(error=BadRequest("bad"))
    sizes = sizes_of_batches(
        thread, lambda size: next(seconds), 66, lambda batch: refused if batch == 2 else Outcome(b"")
    )
    assert sizes == [2, 4, 4, 8, 16, 32]


def test_a_model_that_has_become_slower_is_given_batches_again(thread):
    seconds = iter([0.2, 0.2, 0.2, *[2.0] * 30])
    sizes = sizes_of_batches(thread, lambda size: next(seconds), 100)
    assert 1 in sizes
    assert max(sizes[sizes.index(1) :]) > 8


def test_fewer_go_together_after_a_call_that_failed(thread):
    sizes = sizes_of_batches(thread, lambda size: 0.1, 42, lambda batch: None if batch == 4 else Outcome(b""))
    assert sizes == [2, 4, 8, 16, 8, 4]


def test_a_request_that_was_refused_leaves_nothing_in_memory(thread):
    """An error holds the frames that it went through; without care they would hold the error, and the whole request."""

    class Headers(dict):
        """Can be seen to have gone."""

    def answer(requests, is_wanted):
        yield [(place, Outcome(error=BadRequest("bad"))) for place in range(len(requests))]

    def refused(queue):
        headers = Headers()
        with suppress(BadRequest):
            queue.run(InferenceRequest(b"x", headers=headers), PATIENCE, print)
        return weakref.ref(headers)

    queue = queue_of(thread, answer)
    gc.disable()
    try:
        left = [refused(queue) for _ in range(3)]
        gevent.sleep(0.05)
        assert [reference() for reference in left] == [None, None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize(("encoding", "together"), [("identity", 3), ("", 3), ("gzip", 1)])
def test_what_a_body_inflates_to_counts_only_where_it_is_compressed(thread, model, encoding, together):
    queue = queue_of(thread, model)
    first = busy(queue, model)
    request = InferenceRequest(b"x", content_encoding=encoding)
    others = [gevent.spawn(queue.run, request, PATIENCE, print) for _ in range(3)]
    gevent.sleep(0)
    model.gate.set()
    gevent.joinall([first, *others], PATIENCE, raise_error=True)
    assert len(model.batches[1]) == together


def test_an_outcome_that_comes_twice_is_handed_over_once(thread):
    def answer(requests, is_wanted):
        yield [(0, Outcome(b"first")), (0, Outcome(b"second"))]

    queue = queue_of(thread, answer)
    assert [queue.run(InferenceRequest(b"x"), PATIENCE, print) for _ in range(2)] == [b"first", b"first"]


def test_what_must_stand_alone_is_a_batch_by_itself_in_its_turn(thread, model):
    limit = Admission(BatchLimit(100, first=100), NEVER_REFUSE)
    queue = RequestQueue(thread, model, limit, stands_alone=lambda request: request.body.startswith(b"alone"))
    first = busy(queue, model)
    bodies = [b"a", b"b", b"alone 1", b"alone 2", b"c", b"d"]
    others = [ask(queue, body) for body in bodies]
    gevent.sleep(0)
    model.gate.set()
    gevent.joinall([first, *others])
    assert model.batches == [[b"first"], [b"a", b"b"], [b"alone 1"], [b"alone 2"], [b"c", b"d"]]


class Full(Admission):
    """Lets nobody in."""

    def refuse_if_late(self, ahead, seconds_left):
        raise Overloaded("full", 1)


def test_what_a_worker_that_died_had_let_in_is_let_in_by_the_next_one(thread, model):
    queue = RequestQueue(thread, model, Full(BatchLimit(1), None))
    model.gate.set()
    with pytest.raises(Overloaded):
        queue.run(InferenceRequest(b"new"), PATIENCE, lambda answer: None)
    assert queue.run(InferenceRequest(b"old", headers={ORPHANED: "1"}), PATIENCE, lambda answer: None).body == b"old"
