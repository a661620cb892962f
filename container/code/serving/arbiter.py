"""
gunicorn, less its own ideas of how workers die: `python -m serving.arbiter`, with gunicorn's own arguments.

gunicorn ends the server when a worker exits with 3 or 4, whoever said so, and guesses at the rest in lines of its own.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from serving.cgroups import oom_kills
from serving.deaths import REFUSED
from serving.post_mortem import PostMortem, Remains
from serving.worker import CooperativeWorker

PAUSE = 10.0  # seconds; the arbiter looks at its workers about once a second
CORE_DUMPED = 0x80  # of a wait status


class Pauses:
    """Moments at which nothing in this container ran: `docker pause`, a suspended machine."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock, self._looked_at = clock, clock()

    def have_just_ended(self) -> bool:
        """Tell, to somebody who looks about every second, whether that was not so since the last look."""
        before, self._looked_at = self._looked_at, self._clock()
        return self._looked_at - before > PAUSE


class ExactArbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no type information
    """An arbiter that waits for its workers itself; `child_exit` finds what each has died of in `worker.death`."""

    def __init__(self, app: Any):
        """Load the application, and with it the table of the workers."""
        super().__init__(app)
        self._post_mortem = PostMortem(app.wsgi().extensions["worker_table"], oom_kills)
        self._halting = False
        self._pauses = Pauses()

    def halt(self, reason: str | None = None, exit_status: int = 0) -> NoReturn:
        """End with all workers; that one of them refused to start is no reason any more."""
        self._halting = True
        super().halt(reason, exit_status)
        raise SystemExit(exit_status)

    def kill_worker(self, pid: int, sig: int) -> None:
        """Signal a worker, and remember that it was us."""
        worker = self.WORKERS.get(pid)
        if worker is not None and sig != signal.SIGUSR1:
            worker.asked = True
        super().kill_worker(pid, sig)

    def murder_workers(self) -> None:
        """End workers that give no sign of life, but for those that could not because nobody could."""
        if self._pauses.have_just_ended():
            for worker in self.WORKERS.values():
                worker.tmp.notify()
        super().murder_workers()

    def reap_workers(self) -> None:
        """Wait for the workers that have ended; raise `HaltServer` if one of them could not start."""
        while (ended := ended_child()) is not None:
            pid, wait_status = ended
            worker = self.WORKERS.pop(pid, None)
            if worker is not None:
                self._post_mortem.begin(pid, worker.slot, wait_status)
            maxrss = os.wait4(pid, 0)[2].ru_maxrss
            if worker is not None:
                self._bury(worker, wait_status, maxrss)

    def _bury(self, worker: CooperativeWorker, wait_status: int, maxrss: int) -> None:
        worker.death = self._post_mortem.of(
            Remains(
                worker.pid, worker.slot, wait_status, maxrss, worker.born_at, worker.asked, worker.aborted,
                worker.stack_left(),
            )
        )  # fmt: skip
        worker.tmp.close()
        self.cfg.child_exit(self, worker)
        if worker.death.cause == REFUSED and not self._halting:
            raise HaltServer("Worker failed to boot.", self.WORKER_BOOT_ERROR)


class Server(WSGIApplication):  # type: ignore[misc]
    """gunicorn's own program with that arbiter."""

    def run(self) -> None:
        """Serve until told to stop."""
        ExactArbiter(self).run()


def ended_child() -> tuple[int, int] | None:
    """
    Return pid and wait status of a child that has ended, None if there is none.

    The kernel goes on to know it until it is waited for: the other workers, who have its requests already, must find
    how it ended in one place or the other at every moment.
    """
    with suppress(ChildProcessError):
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None:
            return ended.si_pid, as_wait_status(ended)
    return None


def as_wait_status(ended: os.waitid_result) -> int:
    """Return what `wait` would, in which a signal's number has other bits than an exit status."""
    if ended.si_code == os.CLD_EXITED:
        return ended.si_status << 8
    return ended.si_status | (CORE_DUMPED if ended.si_code == os.CLD_DUMPED else 0)


if __name__ == "__main__":
    Server("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn").run()
