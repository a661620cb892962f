"""The native thread, with the real gevent: the hub goes on while the model computes, and its outcome comes back."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Never

import gevent
import pytest

from fakes import FakeClock
from server import until
from serving import native_thread
from serving.errors import BadRequest, DeadlineExceeded
from serving.native_thread import NativeThread

PATIENCE = 20  # seconds for a call that is expected to come back
IMPATIENCE = 0.05  # for one that is not
CODE = Path(native_thread.__file__).parent.parent


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def thread(clock: FakeClock) -> NativeThread:
    return NativeThread(threads=1, clock=clock)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a blocked call waits for; it opens when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def blocked_by(gate: threading.Event, thread: NativeThread, timeout: float = PATIENCE) -> gevent.Greenlet:
    """Start a call that waits for the gate, and return its greenlet once it runs."""
    begun = threading.Event()

    def call() -> bool:
        begun.set()
        return gate.wait(PATIENCE)

    greenlet = gevent.spawn(thread.run, call, timeout)
    until(lambda: gevent.sleep(0) or begun.is_set(), "the call's begin", PATIENCE)
    return greenlet


def test_a_call_returns_its_value(thread: NativeThread) -> None:
    assert thread.run(lambda: 42, PATIENCE) == 42


@pytest.mark.parametrize("value", [None, False, 0, []])
def test_a_value_that_counts_as_false_is_a_value(thread: NativeThread, value: Any) -> None:
    assert thread.run(lambda: value, PATIENCE) is value


class Empty(Exception):
    """An exception that counts as false, like those that are collections of errors."""

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), BadRequest("no"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), Empty()],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_call_raises_comes_back_and_the_thread_goes_on(thread: NativeThread, error: BaseException) -> None:
    def call() -> Never:
        raise error

    with pytest.raises(type(error)) as raised:
        thread.run(call, PATIENCE)
    assert raised.value is error
    assert thread.run(lambda: 42, PATIENCE) == 42


def test_a_traceback_shows_where_the_model_failed(thread: NativeThread) -> None:
    def of_the_model() -> Never:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no") as raised:
        thread.run(of_the_model, PATIENCE)
    assert raised.traceback[-1].name == "of_the_model"


def test_every_call_runs_in_the_same_thread_and_not_in_the_callers(thread: NativeThread) -> None:
    idents = {thread.run(threading.get_ident, PATIENCE) for _ in range(5)}
    assert len(idents) == 1
    assert threading.get_ident() not in idents


def test_calls_run_one_after_the_other_in_the_order_in_which_they_came(
    thread: NativeThread, gate: threading.Event
) -> None:
    ran = []
    first = blocked_by(gate, thread)
    rest = []
    for number in range(5):
        rest.append(gevent.spawn(thread.run, lambda number=number: ran.append(number), PATIENCE))
        gevent.sleep(0)
    assert ran == []
    gate.set()
    gevent.joinall([first, *rest], PATIENCE, raise_error=True)
    assert ran == [0, 1, 2, 3, 4]


def test_the_hub_goes_on_while_a_call_sleeps_without_giving_way(thread: NativeThread) -> None:
    ticks = []

    def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            gevent.sleep(0.002)

    ticker = gevent.spawn(tick)
    thread.run(lambda: time.sleep(0.1), PATIENCE)
    ticker.kill()
    assert len(ticks) >= 5


def test_the_hub_goes_on_while_a_call_waits_for_a_lock_that_only_the_hub_can_open(
    thread: NativeThread, gate: threading.Event
) -> None:
    gevent.spawn_later(0.01, gate.set)
    assert thread.run(lambda: gate.wait(PATIENCE), PATIENCE)


def test_a_call_that_takes_too_long_is_given_up_with_504(thread: NativeThread, gate: threading.Event) -> None:
    with pytest.raises(DeadlineExceeded) as late:
        thread.run(lambda: gate.wait(PATIENCE), IMPATIENCE)
    assert late.value.status == 504
    assert late.value.message.startswith("The model did not answer within 0.05 s.")
    assert "SAGEMAKER_MODEL_SERVER_TIMEOUT" in late.value.message


def test_the_thread_goes_on_after_a_call_that_took_too_long(thread: NativeThread, gate: threading.Event) -> None:
    with pytest.raises(DeadlineExceeded):
        thread.run(lambda: gate.wait(PATIENCE), IMPATIENCE)
    gate.set()
    assert thread.run(lambda: 42, PATIENCE) == 42


def test_a_call_that_had_not_begun_at_its_deadline_never_runs(thread: NativeThread, gate: threading.Event) -> None:
    ran = []
    first = blocked_by(gate, thread)
    with pytest.raises(DeadlineExceeded):
        thread.run(lambda: ran.append("late"), IMPATIENCE)
    gate.set()
    thread.run(lambda: ran.append("next"), PATIENCE)
    first.get(timeout=PATIENCE)
    assert ran == ["next"]


def test_a_deadline_is_each_callers_own(thread: NativeThread, gate: threading.Event) -> None:
    patient = gevent.spawn(thread.run, lambda: gate.wait(PATIENCE), PATIENCE)
    gevent.sleep(0)
    with pytest.raises(DeadlineExceeded):
        thread.run(lambda: None, IMPATIENCE)
    gate.set()
    assert patient.get(timeout=PATIENCE) is True


def test_nothing_is_busy_before_and_after_a_call(thread: NativeThread, clock: FakeClock) -> None:
    assert thread.busy_seconds() == 0
    thread.run(lambda: clock.advance(5), PATIENCE)
    assert thread.busy_seconds() == 0


def test_nothing_is_busy_after_a_call_that_failed(thread: NativeThread, clock: FakeClock) -> None:
    def call() -> Never:
        clock.advance(5)
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        thread.run(call, PATIENCE)
    assert thread.busy_seconds() == 0


def test_a_running_call_is_busy_since_it_began(thread: NativeThread, clock: FakeClock, gate: threading.Event) -> None:
    running = blocked_by(gate, thread)
    clock.advance(7)
    assert thread.busy_seconds() == 7
    gate.set()
    running.get(timeout=PATIENCE)
    assert thread.busy_seconds() == 0


def test_a_call_that_was_given_up_is_still_busy_until_it_ends(
    thread: NativeThread, clock: FakeClock, gate: threading.Event
) -> None:
    given_up = blocked_by(gate, thread, timeout=0.5)
    given_up.join(PATIENCE)
    assert isinstance(given_up.exception, DeadlineExceeded)
    clock.advance(90)
    assert thread.busy_seconds() == 90
    gate.set()
    until(lambda: thread.busy_seconds() == 0, "the end of the call", PATIENCE)


def test_a_call_that_waits_for_its_turn_is_not_what_is_busy(
    thread: NativeThread, clock: FakeClock, gate: threading.Event
) -> None:
    first = blocked_by(gate, thread)
    clock.advance(3)
    second = gevent.spawn(thread.run, thread.busy_seconds, PATIENCE)
    gevent.sleep(0)
    gate.set()
    assert second.get(timeout=PATIENCE) == 0
    first.get(timeout=PATIENCE)


@pytest.mark.parametrize("threads", [1, 2])
def test_native_libraries_get_their_threads_in_the_thread_that_runs_the_model(threads: int) -> None:
    program = f"""if True:
        import numpy
        from threadpoolctl import threadpool_info
        from serving.native_thread import NativeThread
        pools = NativeThread({threads}).run(threadpool_info, {PATIENCE})
        print(sorted({{pool["num_threads"] for pool in pools}}))
    """
    environ = {"PYTHONPATH": str(CODE), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert ran.stdout == f"[{threads}]\n"


@pytest.mark.parametrize("module", ["serving.native_thread", "serving.service", "serving.worker"])
def test_the_users_python_is_not_patched(module: str) -> None:
    program = f"import {module}, gevent.monkey; print(gevent.monkey.saved)"
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, env={"PYTHONPATH": str(CODE)}, capture_output=True, text=True, check=True)
    assert ran.stdout == "{}\n"
