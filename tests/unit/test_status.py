"""What gunicorn says on the pipe, and what the supervisor hears."""

import os
import select
import signal
from collections.abc import Iterator

import pytest

from serving.deaths import Evidence, diagnose
from serving.status import DOOR_CHANGED, LOADING, WORKER_GONE, WORKER_READY, announce, events_in

DEATH = diagnose(signal.SIGSEGV, Evidence())._replace(in_model=3, seconds_ready=1.5, stack='File "a.py", line 3 in f')


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_what_is_announced_is_heard_in_order(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    said = [(LOADING, 0, None), (DOOR_CHANGED, 0, None), (WORKER_GONE, 21, DEATH), (WORKER_READY, 4194304, None)]
    for event in said:
        announce(writer, *event)
    assert list(events_in(os.read(reader, 65536))) == said


def test_nothing_was_said_nothing_is_heard() -> None:
    assert list(events_in(b"")) == []


def test_without_a_pipe_nobody_is_told() -> None:
    announce(None, LOADING)


@pytest.mark.parametrize("event", [LOADING, DOOR_CHANGED, WORKER_READY, WORKER_GONE])
def test_an_event_is_short_enough_for_a_pipe_to_take_it_whole(pipe: tuple[int, int], event: str) -> None:
    reader, writer = pipe
    announce(writer, event, 2**31)
    assert len(os.read(reader, 65536)) < select.PIPE_BUF


def test_a_stack_that_the_pipe_would_not_take_in_one_piece_is_left_out(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    announce(writer, WORKER_GONE, 21, DEATH._replace(stack="\u015f" * 2400))
    assert list(events_in(os.read(reader, 65536))) == [(WORKER_GONE, 21, DEATH._replace(stack=""))]
