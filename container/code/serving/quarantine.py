"""
Inputs that kill the model: noticed by what died over them, tried once more by themselves, then refused for a while.

It costs a request that is answered alone some 2 us, one among many 0.3 us, and each 10 KB of a body 2 us more.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from serving.errors import InputKillsTheModel
from serving.inference import InferenceRequest, Rest
from serving.outcome import Outcome
from serving.suspects import IN_A_CALL, NO_SUSPECT, QUARANTINED, SUSPECT
from serving.tickets import Answer, Answered
from serving.worker_table import Row, WorkerTable

ORPHANED = "x-serving-orphaned"  # nginx's header: a worker has died that had this request, and it is sent again
MASK = (1 << 64) - 1
FLAGS, EXITING = 6, 0x4  # the kernel's flags of a process, counted from after its name, and that one of them


def digest_of(request: InferenceRequest) -> int:
    """Return what identifies an input; of the same secret in all workers, for they are forks of one process."""
    return hash((request.body, request.content_type)) & MASK


def is_orphaned(request: InferenceRequest) -> bool:
    """Tell whether a worker that had taken the request has died before it was answered."""
    return bool(request.headers.get(ORPHANED, ""))


def wait_status_of(pid: int) -> int | None:
    """
    Return how a process ends that nobody has waited for yet; None if it lives, or that cannot be seen.

    nginx sends a request again as soon as the kernel has closed the connection. The process is no zombie then, and the
    arbiter knows of nothing; but it is marked as exiting, and its status is there.
    """
    with suppress(OSError, ValueError, IndexError):  # waited for meanwhile, or no /proc
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        if int(fields[FLAGS]) & EXITING:
            return int(fields[-1])
    return None


class Quarantine:
    """What a worker does about suspects. All but the calls of the model happens in the hub."""

    def __init__(
        self,
        table: WorkerTable,
        slot: int | None,
        wait_status: Callable[[int], int | None] = wait_status_of,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        """Take the part of the worker of that number."""
        self._table, self._suspects = table, table.suspects
        self.row = table.row(slot)
        self._wait_status, self._now = wait_status, now

    @classmethod
    def of_one_worker(cls, seconds: float) -> "Quarantine":
        """Return that of a worker which knows of itself alone."""
        return cls(WorkerTable(1, seconds), 0)

    def admit(self, request: InferenceRequest) -> None:
        """Raise `InputKillsTheModel` if the model shall not be given this input."""
        if self._verdict(request) == QUARANTINED:
            raise self._refusal(request)

    def stands_alone(self, request: InferenceRequest) -> bool:
        """Tell whether the request must not be answered together with others."""
        return self._verdict(request) != NO_SUSPECT

    def watched(self, answer: Answer) -> Answer:
        """Return *answer*, to be called in the model's thread, with a list of what is in each of its steps."""
        return lambda requests, is_wanted: self._steps(answer, requests, is_wanted)

    def watched_parts(self, parts: Rest, request: InferenceRequest) -> Rest:
        """Return the *parts* of a streamed answer, with a note of each while it is computed."""
        return WatchedParts(parts, request, self)

    def on_trial(self, request: InferenceRequest) -> bool:
        """Tell whether a worker has died over the input already."""
        return self._verdict(request) >= SUSPECT

    def clear(self, digest: int) -> None:
        """Note that an input was answered."""
        if self._suspects:
            self._suspects.clear(digest)

    def _steps(
        self, answer: Answer, requests: Sequence[InferenceRequest], is_wanted: Callable[[int], bool]
    ) -> Iterator[Answered]:
        verdict = self._verdict(requests[0]) if len(requests) == 1 else NO_SUSPECT
        if verdict == QUARANTINED:  # since it was admitted
            yield [(0, Outcome(error=self._refusal(requests[0])))]
            return
        digests, row = [digest_of(request) for request in requests], self.row
        steps = answer(requests, is_wanted)
        row.enter(digests, verdict == SUSPECT)
        while (answered := self._step(steps)) is not None:
            if self._suspects:
                self._clear_all(digests, answered)
            yield answered
            # Those that are answered too: it is not worth the time to tell them apart. All of it anew, for a part of a
            # streamed answer may have used the row meanwhile.
            row.enter(digests, verdict == SUSPECT)

    def _step(self, steps: Iterator[Answered]) -> Answered | None:
        answered: Answered | None = None
        try:
            answered = next(steps, None)
        finally:
            self.row.leave(len(answered) if answered else 0)
        return answered

    def _clear_all(self, digests: Sequence[int], answered: Answered) -> None:
        for place, outcome in answered:
            if not is_streamed(outcome):
                self._suspects.clear(digests[place])

    def _verdict(self, request: InferenceRequest) -> int:
        orphaned = is_orphaned(request)
        if not (orphaned or self._suspects) or not self._suspects.enabled:
            return NO_SUSPECT
        digest = digest_of(request)
        unrecorded = self._unrecorded(digest) if orphaned else NO_SUSPECT  # first, for it may be recorded meanwhile
        return max(unrecorded, self._suspects.verdict(digest))

    def _unrecorded(self, digest: int) -> int:
        """Return the verdict by deaths that the arbiter has not seen yet: nginx is faster to send a request again."""
        rows = [row for row in self._table if row is not self.row and digest in row.digests]
        return max((self._verdict_by(row) for row in rows), default=NO_SUSPECT)

    def _verdict_by(self, row: Row) -> int:
        pid, wait_status = row.pid, row.wait_status
        if wait_status is None:
            wait_status = self._wait_status(pid)
        if wait_status is None:
            wait_status = row.wait_status  # the arbiter may have waited for it since it was read above
        if wait_status is None:
            return IN_A_CALL
        killed = os.WIFSIGNALED(wait_status) and os.WTERMSIG(wait_status) == signal.SIGKILL
        return QUARANTINED if row.on_trial and not killed else SUSPECT

    def _refusal(self, request: InferenceRequest) -> InputKillsTheModel:
        until = self._now() + timedelta(seconds=self._suspects.seconds_left(digest_of(request)))
        return InputKillsTheModel(
            "Two worker processes have died while the model worked on this input, the second one on nothing else. The "
            f"model is not given it again before {until:%Y-%m-%d %H:%M:%S} UTC. Send another input, or have the model "
            "looked at: the log says of each death what it was, as 'worker gone'."
        )


class WatchedParts:
    """The parts of an answer, of which each is a call of the model; with the last one the input is cleared."""

    def __init__(self, parts: Rest, request: InferenceRequest, quarantine: Quarantine):
        self._parts, self._quarantine = parts, quarantine
        self._digest, self._on_trial = digest_of(request), quarantine.on_trial(request)

    def __iter__(self) -> "WatchedParts":
        """Return itself."""
        return self

    def __next__(self) -> bytes:
        """Return the next part."""
        self._quarantine.row.enter((self._digest,), self._on_trial)
        try:
            return next(self._parts)
        except StopIteration:
            self._quarantine.clear(self._digest)
            raise
        finally:
            self._quarantine.row.leave(0)

    def close(self) -> None:
        """Let the hook clean up, which may kill as well."""
        self._quarantine.row.enter((self._digest,), self._on_trial)
        try:
            self._parts.close()
        finally:
            self._quarantine.row.leave(0)


def is_streamed(outcome: Outcome) -> bool:
    """Tell whether an answer has parts that are still to be computed."""
    return outcome.error is None and getattr(outcome.value, "rest", None) is not None
