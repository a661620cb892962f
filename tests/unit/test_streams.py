"""The rest of a streamed answer: computed in the model's thread, in time, and brought to an end whatever happens."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Never

import gevent
import pytest

from fakes import FakeClock
from server import until
from serving.answers import Parts
from serving.errors import DeadlineExceeded
from serving.native_thread import NativeThread
from serving.streams import STREAM_SECONDS, Budget, Stream, StreamBroken

PATIENCE = 20.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def thread() -> NativeThread:
    return NativeThread(threads=1)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a blocked part waits for; it opens when the test is over."""
    event = threading.Event()
    yield event
    event.set()


Streamed = Callable[..., Stream]


@pytest.fixture
def streamed(thread: NativeThread, clock: FakeClock) -> Streamed:
    """Make the stream of an answer whose first part was `first`."""

    def streamed(source: Iterator[Any], seconds: float = PATIENCE) -> Stream:
        parts = Parts("output_fn", source, lambda part: part)
        return Stream(b"first", parts, thread, Budget(seconds, clock), "id-1")

    return streamed


def test_parts_come_one_by_one_until_the_end(streamed: Streamed) -> None:
    stream = streamed(iter([b"second", b"third"]))
    assert list(stream) == [b"second", b"third"]
    assert (stream.ended, stream.bytes_sent) == ("whole", len(b"firstsecondthird"))


def test_a_part_counts_as_sent_when_the_next_is_asked_for(streamed: Streamed) -> None:
    stream = streamed(iter([b"second", b"third"]))
    assert stream.bytes_sent == 0
    next(stream)
    assert stream.bytes_sent == len(b"first")
    next(stream)
    assert stream.bytes_sent == len(b"firstsecond")


def test_a_stream_that_is_left_before_its_end_is_abandoned(streamed: Streamed) -> None:
    stream = streamed(iter([b"second", b"third"]))
    next(stream)
    stream.close()
    assert stream.ended == "abandoned"


def noting(threads: list[int]) -> Iterator[bytes]:
    try:
        while True:
            threads.append(threading.get_ident())
            yield b"part"
    finally:
        threads.append(threading.get_ident())


def test_the_users_generator_runs_and_ends_in_the_models_thread(thread: NativeThread, streamed: Streamed) -> None:
    threads: list[int] = []
    stream = streamed(noting(threads))
    next(stream)
    next(stream)
    stream.close()
    assert threads == [thread.run(threading.get_ident, PATIENCE)] * 3
    assert threading.get_ident() not in threads


def test_closing_twice_closes_once(streamed: Streamed) -> None:
    threads: list[int] = []
    stream = streamed(noting(threads))
    next(stream)
    stream.close()
    stream.close()
    assert len(threads) == 2


def test_other_requests_have_their_turn_between_the_parts(thread: NativeThread, streamed: Streamed) -> None:
    turns: list[str] = []

    def parts() -> Iterator[bytes]:
        for _ in range(2):
            turns.append("part")
            yield b"part"

    stream = streamed(parts())
    next(stream)
    thread.run(lambda: turns.append("another request"), PATIENCE)
    next(stream)
    assert turns == ["part", "another request", "part"]


def failing(error: BaseException) -> Iterator[bytes]:
    yield b"second"
    raise error


@pytest.mark.parametrize(
    "error",
    [RuntimeError("why"), SystemExit("why"), KeyError("why"), asyncio.CancelledError("why")],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_breaks_the_stream_and_the_log_has_the_reason(
    streamed: Streamed, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    stream = streamed(failing(error))
    next(stream)
    with pytest.raises(StreamBroken):
        next(stream)
    assert (stream.ended, stream.bytes_sent) == ("broken", len(b"firstsecond"))
    (record,) = caplog.records
    name = type(error).__name__
    assert record.getMessage() == f"stream broken: output_fn failed ({name}); the log has the details."
    assert (record.levelno, record.__dict__["request_id"]) == (logging.ERROR, "id-1")
    assert record.exc_info
    assert record.exc_info[1] is error


def test_gunicorn_takes_a_broken_stream_for_a_connection_reset_and_closes_it_without_a_word() -> None:
    import errno

    assert isinstance(StreamBroken(), OSError)
    assert StreamBroken().errno == errno.ECONNRESET


def test_a_part_that_takes_too_long_breaks_the_stream(
    streamed: Streamed, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    stream = streamed(iter(lambda: b"%d" % gate.wait(PATIENCE), None), seconds=0.05)
    with pytest.raises(StreamBroken):
        next(stream)
    assert stream.ended == "broken"
    assert caplog.records[0].getMessage().startswith("stream broken: The model did not answer within 0.05 s.")


def test_each_part_has_its_own_time_and_all_of_them_have_the_platforms(clock: FakeClock) -> None:
    budget = Budget(59, clock)
    assert budget.seconds_left() == 59
    clock.advance(450)
    assert budget.seconds_left() == 30
    clock.advance(30)
    with pytest.raises(DeadlineExceeded) as late:
        budget.seconds_left()
    assert late.value.message == "The answer was not at its end after 480 s, the limit."


def test_where_one_part_may_take_longer_than_the_platforms_time_all_of_them_may(clock: FakeClock) -> None:
    budget = Budget(599, clock)
    clock.advance(480)
    assert budget.seconds_left() == 119


def test_a_stream_that_goes_on_for_too_long_is_broken(
    streamed: Streamed, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    computed: list[int] = []
    stream = streamed(noting(computed))
    next(stream)
    clock.advance(STREAM_SECONDS)
    with pytest.raises(StreamBroken):
        next(stream)
    assert len(computed) == 1
    assert caplog.records[0].getMessage() == ("stream broken: The answer was not at its end after 480 s, the limit.")


def test_a_finally_that_fails_is_logged_and_hurts_nobody(
    streamed: Streamed, thread: NativeThread, caplog: pytest.LogCaptureFixture
) -> None:
    def parts() -> Iterator[bytes]:
        try:
            yield b"second"
        finally:
            raise KeyError("why")

    stream = streamed(parts())
    next(stream)
    stream.close()
    (record,) = caplog.records
    assert record.getMessage() == (
        "a stream could not be closed: output_fn failed (KeyError); the log has the details."
    )
    assert record.__dict__["request_id"] == "id-1"
    assert thread.run(lambda: 42, PATIENCE) == 42


# -- what the native thread does for streams


def test_what_a_call_returns_too_late_is_discarded_in_the_thread(thread: NativeThread, gate: threading.Event) -> None:
    discarded: list[tuple[str, int]] = []

    def call() -> str:
        gate.wait(PATIENCE)
        return "late"

    with pytest.raises(DeadlineExceeded):
        thread.run(call, 0.05, lambda value: discarded.append((value, threading.get_ident())))
    gate.set()
    ident = thread.run(threading.get_ident, PATIENCE)
    assert discarded == [("late", ident)]


def test_what_a_call_returns_while_the_hub_is_busy_past_its_deadline_is_not_lost(thread: NativeThread) -> None:
    discarded: list[str] = []
    gevent.spawn(time.sleep, 0.3)  # Python's own: the hub stands still
    try:
        answered = [thread.run(lambda: "late", 0.1, discarded.append)]
    except DeadlineExceeded:
        answered = []
    until(lambda: gevent.sleep(0.01) or [*answered, *discarded] == ["late"], "one of both", PATIENCE)


def test_what_a_call_returns_in_time_is_not_discarded(thread: NativeThread) -> None:
    def discard(value: object) -> Never:
        raise AssertionError(value)

    assert thread.run(lambda: "in time", PATIENCE, discard) == "in time"


def test_a_call_at_last_runs_although_its_caller_waits_no_longer(thread: NativeThread, gate: threading.Event) -> None:
    ran: list[int] = []
    busy = gevent.spawn(thread.run, lambda: gate.wait(PATIENCE), PATIENCE)
    gevent.sleep(0)
    thread.run_at_last(lambda: ran.append(1), patience=0.05)
    assert ran == []
    gate.set()
    busy.get(timeout=PATIENCE)
    until(lambda: gevent.sleep(0.01) or ran == [1], "the call's turn", PATIENCE)


def test_a_call_at_last_is_waited_for_when_its_turn_comes_soon(thread: NativeThread) -> None:
    ran: list[int] = []
    thread.run_at_last(lambda: ran.append(1), PATIENCE)
    assert ran == [1]
