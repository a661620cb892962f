"""
Proof that a loaded model survives the fork: a child process predicts the samples, under a watchdog.

Native libraries may start threads that a forked child does not have; OpenMP's GNU runtime then waits for them
for ever. What works in the canary works in the workers, which are forked from the same state.
"""

import os
import select
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

from serving.errors import StartError
from serving.hooks import described

FINE = b"+"
REFUSED = b"-"  # and the reason after it


@dataclass(frozen=True)
class Proof:
    """Whether the workers may share the loaded model, and why."""

    shared: bool
    reason: str


def prove_fork(predict: Callable[[], None], timeout: float) -> Proof:
    """
    Fork a child that calls *predict*, and judge by its end.

    Raises:
        StartError: when the child could predict, but *predict* itself refused the model.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        run_and_leave(predict, writer)
    os.close(writer)
    try:
        message = read_all(reader, timeout)
        if message is None:
            os.kill(child, signal.SIGKILL)
        return judge(message, os.waitpid(child, 0)[1], timeout)
    finally:
        os.close(reader)


def judge(message: bytes | None, wait_status: int, timeout: float) -> Proof:
    """Return the verdict on a canary that said *message* (None: nothing in time) and ended with *wait_status*."""
    if message is None:
        return Proof(False, f"a forked copy of the model did not answer its samples within {timeout:g} s")
    if message == FINE:
        return Proof(True, "a forked copy of the model answered its samples")
    if message:
        raise StartError(message.removeprefix(REFUSED).decode(errors="replace"))
    return Proof(False, f"a forked copy of the model died: {how_it_ended(wait_status)}")


def how_it_ended(wait_status: int) -> str:
    """Return a process's end in words."""
    code = os.waitstatus_to_exitcode(wait_status)
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def run_and_leave(predict: Callable[[], None], writer: int) -> None:
    """Call *predict* in a native thread, as the workers do, write how it went, and end the process, come what may."""
    result = [b""]

    def attempt() -> None:
        try:
            predict()
            result[0] = FINE
        except BaseException as error:  # SystemExit too: a worker would end of it, again and again
            reason = str(error) if isinstance(error, StartError) else described(error)
            result[0] = REFUSED + reason.encode(errors="replace")

    try:
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
        os.write(writer, result[0][: select.PIPE_BUF])
        os._exit(0)
    finally:
        os._exit(1)  # a canary that went on would be a second arbiter


def read_all(reader: int, timeout: float) -> bytes | None:
    """Return what comes through the pipe until its end, None when nothing comes in time."""
    ready, _, _ = select.select([reader], [], [], timeout)
    return os.read(reader, select.PIPE_BUF) if ready else None
