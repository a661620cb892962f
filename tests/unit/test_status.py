"""What gunicorn says on the pipe, and what the supervisor hears."""

import os
import select
from collections.abc import Iterator

import pytest

from serving.status import DOOR_CHANGED, LOADING, WORKER_GONE, WORKER_READY, announce, events_in


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_what_is_announced_is_heard_in_order(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    said = [(LOADING, 0), (DOOR_CHANGED, 0), (WORKER_READY, 21), (WORKER_GONE, 21), (WORKER_READY, 4194304)]
    for event, pid in said:
        announce(writer, event, pid)
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
