"""A program as a child: its log goes on as it is, its end is told, and SIGTERM is passed on to it."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.launch import SignalNotes

GRACE = 100.0  # seconds; SageMaker kills the container 120 s after SIGTERM, and what was saved has to be completed
KEPT = 8192  # bytes of the log's end


@dataclass(frozen=True)
class Ended:
    """How a program ended: its status as a shell has it, the end of its stderr, and whether it was told to stop."""

    status: int
    log: str
    stopped: bool


class Log:
    """What a child writes to stderr: passed on at once, and its end remembered."""

    def __init__(self, descriptor: int):
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.end = b""

    def pass_on(self) -> bool:
        """Pass on what is there; return False at the end of the file."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.descriptor, 65536):
                sys.stderr.buffer.write(piece)
                sys.stderr.buffer.flush()
                self.end = (self.end + piece)[-KEPT:]
            return False
        return True


class Stop:
    """SIGTERM, passed on once; who has not ended when the grace is over is killed."""

    def __init__(self, process: subprocess.Popen[bytes], grace: float):
        self._process, self._grace = process, grace
        self.deadline: float | None = None

    def ask(self) -> None:
        """Ask the program to end."""
        if self.deadline is None:
            self.deadline = time.monotonic() + self._grace
            self._process.send_signal(signal.SIGTERM)

    def seconds_left(self) -> float | None:
        """Return how long to wait for the program at most, None for as long as it takes."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


def run(
    command: Sequence[str], environ: Mapping[str, str], cwd: Path, notes: SignalNotes, grace: float = GRACE
) -> Ended:
    """Run the program to its end; whatever it started and left behind is killed."""
    process = subprocess.Popen(
        command,
        env=dict(environ),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    with process.stderr:
        log, stop = Log(process.stderr.fileno()), Stop(process, grace)
        watch(process, log, stop, notes)
        log.pass_on()
    code = process.returncode
    return Ended(128 - code if code < 0 else code, log.end.decode(errors="replace"), stop.deadline is not None)


def watch(process: subprocess.Popen[bytes], log: Log, stop: Stop, notes: SignalNotes) -> None:
    """Feed log and signals until the program has ended."""
    with selectors.DefaultSelector() as selector:
        selector.register(notes.reader, selectors.EVENT_READ)
        selector.register(log.descriptor, selectors.EVENT_READ)
        while process.poll() is None:
            ready = selector.select(stop.seconds_left())
            if any(key.fd == log.descriptor for key, _ in ready) and not log.pass_on():
                selector.unregister(log.descriptor)
            if notes.take():
                stop.ask()
            if stop.seconds_left() == 0:
                kill_group(process)
    kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
