"""What a worker died of, from its wait status and from what else is known, in words for people and for programs."""

import os
import signal
import sys
from typing import NamedTuple

# For programs, and few enough to count by.
ASKED, REFUSED, OUT_OF_MEMORY, STUCK, SILENT, KILLED, CRASHED, EXITED = CAUSES = (
    "asked", "refused", "out_of_memory", "stuck", "silent", "killed", "crashed", "exited",
)  # fmt: skip
KIBIBYTES = 1 if sys.platform == "darwin" else 1024  # what a peak is counted in, in bytes
MEGABYTE = 1 << 20

CRASHES: dict[int, str] = {
    signal.SIGSEGV: "native code touched memory that is not its own",
    signal.SIGBUS: "native code touched memory that no file backs any more: a disk is full, or a file was cut",
    signal.SIGABRT: "native code gave up, over a failed assertion or memory that it found corrupted",
    signal.SIGILL: "native code has an instruction that this processor lacks: a library built for another one",
    signal.SIGFPE: "native code divided by zero",
}

NO_SIGN = "it gave no sign of life"


class Evidence(NamedTuple):
    """
    What is known of a dead worker besides its wait status.

    Attributes:
        asked: whether the arbiter had asked it to end.
        refused: whether it had said that it cannot start.
        stuck: whether it had found its model running past every deadline.
        silent: whether the arbiter had given it up for want of a sign of life.
        oom_kills: how many processes the kernel has killed for memory since the last look, None if nothing says so.
    """

    asked: bool = False
    refused: bool = False
    stuck: bool = False
    silent: bool = False
    oom_kills: int | None = None


class Death(NamedTuple):
    """
    The end of a worker.

    Attributes:
        cause: one of `CAUSES`.
        words: the same for people.
        peak_memory_mb: the most that it ever held, what it shares with the others included.
        in_model: how many requests were in its call of the model.
        on_trial: whether that was one by itself, over which another worker has died before.
        answered: how many requests it had answered.
        answered_by_all: how many all workers have, since the start.
        seconds_lived: since it was forked.
        seconds_ready: since it had a warm model, None if it never had.
        oom_kills: as in `Evidence`.
        stack: where native code crashed, innermost first, if it left that behind.
    """

    cause: str
    words: str
    signal: str | None = None
    exit_status: int | None = None
    peak_memory_mb: float = 0.0
    in_model: int = 0
    on_trial: bool = False
    answered: int = 0
    answered_by_all: int = 0
    seconds_lived: float = 0.0
    seconds_ready: float | None = None
    oom_kills: int | None = None
    stack: str = ""

    @property
    def was_wanted(self) -> bool:
        """Whether the worker ended because it should."""
        return self.cause == ASKED

    @property
    def by_somebody(self) -> bool:
        """Whether it may have had nothing to do with what the worker did."""
        return self.cause in (ASKED, KILLED)

    @property
    def details(self) -> dict[str, object]:
        """What the log says beside the words, as far as it is known."""
        told = {name: value for name, value in self._asdict().items() if value is not None and value != ""}
        return {name: value for name, value in told.items() if name not in ("words", "answered_by_all")}


UNKNOWN = Death(EXITED, "nothing is known of how it ended")


def diagnose(wait_status: int, evidence: Evidence) -> Death:
    """Return the cause, in words too, and the signal or exit status."""
    code = os.waitstatus_to_exitcode(wait_status)
    if code < 0:
        name = signal_name(-code)
        cause, words = by_signal(-code, name, evidence)
        return Death(cause, words, signal=name, oom_kills=evidence.oom_kills)
    cause, words = by_itself(code, evidence)
    return Death(cause, words, exit_status=code, oom_kills=evidence.oom_kills)


def by_signal(number: int, name: str, evidence: Evidence) -> tuple[str, str]:
    """Return cause and words of a death by a signal."""
    kill, kills = number == signal.SIGKILL, evidence.oom_kills
    crash = CRASHES.get(number, "")
    findings = (
        (evidence.stuck, STUCK, "it was replaced, for its model had been running past every deadline"),
        (evidence.silent, SILENT, f"gunicorn ended it with {name}, for {NO_SIGN}: native code may hold Python's lock"),
        (kill and kills, OUT_OF_MEMORY, "the kernel's OOM killer ended it: the container's memory was full"),
        (evidence.asked, ASKED, f"it was asked to end, and did by {name}"),
        (crash, CRASHED, f"it crashed ({name}): {crash}"),
        (kill and kills is None, KILLED, "somebody killed it (SIGKILL), perhaps the kernel for want of memory"),
        (kill, KILLED, "somebody killed it (SIGKILL): a process or a person, not the kernel for want of memory"),
        (True, KILLED, f"somebody ended it with {name}"),
    )
    return next((cause, words) for applies, cause, words in findings if applies)


def by_itself(status: int, evidence: Evidence) -> tuple[str, str]:
    """Return cause and words of a process that has exited."""
    if evidence.refused:
        return REFUSED, "it could not start; a line before this one says why"
    if evidence.silent:
        return SILENT, f"gunicorn ended it, for {NO_SIGN}"
    if evidence.asked and status == 0:
        return ASKED, "it was asked to end, and did"
    if status == 0:
        return EXITED, "it ended as if asked to, but not by gunicorn: SIGTERM from somebody, or os._exit(0) in a hook"
    return EXITED, f"it ended itself with exit status {status}: os._exit in a hook, or exit in native code"


def signal_name(number: int) -> str:
    """Return a signal's name, or its number where it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def peak_in_megabytes(maxrss: int) -> float:
    """Return what the kernel says of a process's greatest size."""
    return round(maxrss * KIBIBYTES / MEGABYTE, 1)
