"""stderr as the server writes to it: a pipe that nobody reads costs lines, never an answer."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import logs
from serving.log_stream import LogStream

CODE = Path(logs.__file__).parent.parent
SIZE = 1 << 16  # bytes that a pipe holds


@pytest.fixture
def pipe() -> Iterator[tuple[int, LogStream]]:
    """The reader of a pipe, and what writes to it without waiting."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    stream = LogStream(writer)
    stream.never_wait()
    yield reader, stream
    os.close(reader)
    os.close(writer)


def everything_in(reader: int) -> bytes:
    data = b""
    while True:
        try:
            data += os.read(reader, SIZE)
        except BlockingIOError:
            return data


def test_lines_that_a_full_pipe_does_not_take_are_dropped_and_counted(pipe: tuple[int, LogStream]) -> None:
    reader, stream = pipe
    dropped = []
    stream.on_drop = lambda: dropped.append(1)
    lines = [f"{number} {'x' * 100}\n" for number in range(2000)]
    for line in lines:
        stream.write(line)
    read = everything_in(reader).decode().splitlines(keepends=True)
    assert read == lines[: len(read)]
    assert len(read) + len(dropped) == len(lines)
    assert dropped


def test_it_goes_on_when_somebody_reads_again(pipe: tuple[int, LogStream]) -> None:
    reader, stream = pipe
    for _ in range(2000):
        stream.write("x" * 100 + "\n")
    everything_in(reader)
    stream.write("once more\n")
    assert everything_in(reader) == b"once more\n"


def test_a_line_of_which_a_part_was_taken_is_brought_to_its_end_first(pipe: tuple[int, LogStream]) -> None:
    reader, stream = pipe
    long = "y" * (2 * SIZE) + "\n"
    stream.write(long)
    stream.write("lost\n")
    first = everything_in(reader)
    stream.write("still lost or not\n")
    rest = everything_in(reader)
    stream.write("next\n")
    everything = (first + rest + everything_in(reader)).decode()
    assert everything.startswith(long)
    assert "\nlost\n" not in everything
    assert everything.endswith("next\n")


def test_others_who_write_to_the_same_pipe_wait_as_ever(pipe: tuple[int, LogStream]) -> None:
    """A user's print must not raise because ours does not wait."""
    reader, writer = os.pipe()
    stream = LogStream(writer)
    stream.never_wait()
    assert stream.descriptor != writer
    assert not fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK
    assert fcntl.fcntl(stream.descriptor, fcntl.F_GETFL) & os.O_NONBLOCK
    for descriptor in (reader, writer, stream.descriptor):
        os.close(descriptor)


def test_a_file_is_written_to_as_it_is(tmp_path: Path) -> None:
    """Opened again it would be written from its beginning."""
    with (tmp_path / "log").open("wb") as file:
        file.write(b"before\n")
        file.flush()
        stream = LogStream(file.fileno())
        stream.never_wait()
        stream.write("after\n")
        assert stream.descriptor == file.fileno()
    assert (tmp_path / "log").read_bytes() == b"before\nafter\n"


def test_a_fork_can_log_whoever_was_logging_when_it_was_made() -> None:
    program = (
        "import os, threading; from serving.log_stream import STDERR\n"
        "held, done = threading.Event(), threading.Event()\n"
        "def hold():\n"
        "    with STDERR._lock:\n"
        "        held.set(); done.wait()\n"
        "threading.Thread(target=hold).start(); held.wait()\n"
        "child = os.fork()\n"
        "if child == 0: STDERR.write('from the fork'); os._exit(0)\n"
        "os.waitpid(child, 0); done.set()"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    ran = subprocess.run(command, env={"PYTHONPATH": str(CODE)}, stderr=subprocess.PIPE, check=True, timeout=60)
    assert ran.stderr == b"from the fork"


def test_a_closed_log_is_no_reason_not_to_start() -> None:
    program = "import os; os.close(2); from serving.log_stream import STDERR; STDERR.never_wait(); STDERR.write('x')"
    subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": str(CODE)}, check=True)


def test_nobody_at_the_other_end_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = LogStream(writer)
    dropped = []
    stream.on_drop = lambda: dropped.append(1)
    stream.write("to nobody\n")
    os.close(writer)
    assert dropped == [1]


def test_a_program_that_logs_into_a_pipe_that_nobody_reads_comes_to_its_end() -> None:
    program = (
        "import logging, logging.config\nfrom serving import counts, logs\nfrom serving.log_stream import STDERR\n"
        "from serving.metric_cells import LINES_DROPPED\n"
        "logging.config.dictConfig(logs.configuration(logging.INFO))\nSTDERR.never_wait()\n"
        "for number in range(5000): logging.info('line %d', number)\n"
        "print(int(counts.OURS.numbers()[LINES_DROPPED]))"
    )
    reader, writer = os.pipe()
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, env={"PYTHONPATH": str(CODE)}, stdout=subprocess.PIPE, stderr=writer, check=True)
    os.close(writer)
    with os.fdopen(reader, "rb") as log:
        written = len(log.read().splitlines())
    assert written + int(ran.stdout) == 5000
    assert int(ran.stdout) > 0
