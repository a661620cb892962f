"""What went wrong in a training job, in words that a person can act on."""

import re
import signal
from collections.abc import Sequence

LOG_SHOWN = 700  # characters of the log's end; SageMaker shows the first 1024 of the whole
CAUSE_SHOWN = 300
TRACEBACK = "Traceback (most recent call last)"
EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(:|$)")  # at the beginning of a line; what led to it is indented
PLACE = re.compile(r'^  File "(?P<path>.+)", line (?P<line>\d+)', re.MULTILINE)


class TrainingError(Exception):
    """Training has failed; the message is for the file `failure`, the status for `train` to end with."""

    def __init__(self, message: str, status: int = 1):
        super().__init__(message)
        self.status = status


def ended_badly(script: str, status: int, log: str, *, stopped: bool) -> TrainingError:
    """Return the error for a program that ended with *status*, other than 0, and wrote *log* in the end."""
    lines = [line for line in log.splitlines() if line.strip()]
    headline = f"{script} {how(status, stopped)}"
    cause = cause_in(lines) if lines else "it wrote nothing to stderr"
    parts = [f"{headline}: {cause}{place(log, script)}"]
    if advice := NO_PACKAGE if cause.startswith("ModuleNotFoundError") else ADVICE.get(0 if stopped else status):
        parts.append(advice)
    if len(lines) > 1:
        parts.append(f"The end of its log:\n{shortened(lines)}")
    return TrainingError("\n".join(parts), status)


def cause_in(lines: Sequence[str]) -> str:
    """Return the line that names the exception, of which a message may have several; else the last line."""
    begins = [number for number, line in enumerate(lines) if line.startswith(TRACEBACK)]
    after = lines[begins[-1] + 1 :] if begins else ()
    return next((line for line in after if EXCEPTION.match(line)), lines[-1]).strip()[:CAUSE_SHOWN]


def how(status: int, stopped: bool) -> str:
    """Say how the program ended."""
    after = " after it had been told to stop (SIGTERM)" if stopped else ""
    if status > 128 and status - 128 in {number.value for number in signal.Signals}:
        return f"was ended by {signal.Signals(status - 128).name}{after}"
    return f"ended with status {status}{after}"


ADVICE = {
    0: "A script that is to keep its model when it is stopped has to write it in a handler of SIGTERM.",
    128 + signal.SIGKILL: "Nobody here sent that: it was most likely the kernel, for the memory. "
    "Choose a larger instance, or read less at once.",
}
NO_PACKAGE = (
    "Nothing is installed when a job starts. A package is listed in code/requirements.txt, and installed when the "
    "image is built with the model (--build-arg MODEL=name); a module of your own lies beside the program."
)


def place(log: str, script: str) -> str:
    """Return the last line of the script that its traceback names."""
    own = [found["line"] for found in PLACE.finditer(log) if found["path"].endswith(script)]
    return f" ({script}, line {own[-1]})" if own else ""


def shortened(lines: Sequence[str]) -> str:
    """Return the last of *lines*, as many as a message bears."""
    text = "\n".join(lines)
    return text if len(text) <= LOG_SHOWN else f"...{text[-LOG_SHOWN:]}"
