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
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import StartError
from serving.hooks import described
from serving.memory import private_to

FINE = b"+"  # and the bytes of its private memory after it, if they are known
REFUSED = b"-"  # and the reason after it
OWN_SCORE, FIRST_TO_GO = Path("/proc/self/oom_score_adj"), 1000


@dataclass(frozen=True)
class Proof:
    """Whether the workers may share the loaded model, and why; *private*: the bytes that the copy did not share."""

    shared: bool
    reason: str
    private: int | None = field(default=None, compare=False)


def prove_fork(predict: Callable[[], None], timeout: float) -> Proof:
    """
    Fork a child that calls *predict*, and judge by its end.

    Raises:
        StartError: when the child could predict, but *predict* itself refused the model.
    """
    message, wait_status = ask_in_fork(lambda: attempt(predict), timeout)
    return judge(message, wait_status, timeout)


def ask_in_fork(question: Callable[[], bytes], timeout: float) -> tuple[bytes | None, int]:
    """
    Return what *question* answers in a forked child, and that child's wait status.

    The answer is None when there is none within *timeout* seconds, and empty when the child died of the question.
    What does not go through a pipe at once is cut off.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        answer_and_leave(question, writer)
    os.close(writer)
    try:
        message = read_all(reader, timeout)
        if message is None:
            os.kill(child, signal.SIGKILL)
        return message, os.waitpid(child, 0)[1]
    finally:
        os.close(reader)


def judge(message: bytes | None, wait_status: int, timeout: float) -> Proof:
    """Return the verdict on a canary that said *message* (None: nothing in time) and ended with *wait_status*."""
    if message is None:
        return Proof(False, f"a forked copy of the model did not answer its samples within {timeout:g} s")
    if message.startswith(FINE):
        private = message.removeprefix(FINE)
        return Proof(True, "a forked copy of the model answered its samples", int(private) if private else None)
    if message:
        raise StartError(message.removeprefix(REFUSED).decode(errors="replace"))
    return Proof(False, f"a forked copy of the model died: {how_it_ended(wait_status)}")


def how_it_ended(wait_status: int) -> str:
    """Return a process's end in words."""
    code = os.waitstatus_to_exitcode(wait_status)
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def attempt(predict: Callable[[], None]) -> bytes:
    """Call *predict*, and say how it went."""
    try:
        predict()
        return FINE + str(private_to(os.getpid()) or "").encode()
    except BaseException as error:  # SystemExit too: a worker would end of it, again and again
        reason = str(error) if isinstance(error, StartError) else described(error)
        return REFUSED + reason.encode(errors="replace")


def answer_and_leave(question: Callable[[], bytes], writer: int) -> None:
    """Ask in a native thread, as the workers do, write what it answers, and end the process, come what may."""
    answers: list[bytes] = []
    try:
        offer_ourselves()
        thread = threading.Thread(target=lambda: answers.append(question()))
        thread.start()
        thread.join()
        os.write(writer, answers[0][: select.PIPE_BUF])
        os._exit(0)
    finally:
        os._exit(1)  # a child that went on would be a second arbiter


def offer_ourselves() -> None:
    """Let the kernel take this process, and not the server, when memory runs out."""
    with suppress(OSError):  # where there is no such file, or it may not be written
        OWN_SCORE.write_text(f"{FIRST_TO_GO}\n")


def read_all(reader: int, timeout: float) -> bytes | None:
    """Return what comes through the pipe until its end, None when nothing comes in time."""
    ready, _, _ = select.select([reader], [], [], timeout)
    return os.read(reader, select.PIPE_BUF) if ready else None
