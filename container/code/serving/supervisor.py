"""What `serve` does about each event: it keeps the health verdict, and ends the container when its time has come."""

import logging
import signal
from collections.abc import Callable
from typing import Protocol

from serving import status
from serving.crash_loop import CrashLoop
from serving.deaths import ASKED, REFUSED, UNKNOWN, Death

DRAIN_SECONDS = 24.5  # then whatever is left is killed: SageMaker itself kills 30 s after SIGTERM
LAST_CALL_SECONDS = 0.5  # of them: a connection that nginx has not accepted yet is reset when it closes its socket
STOP_SECONDS = 5.0  # for the surviving child, once the other one has died
EARLY_DEATHS = 3  # of workers, before one was ready: the next would die as well
RECOVERY_SECONDS = 5.0  # a worker is replaced in less; without any for longer, the container is not healthy

log = logging.getLogger(__name__)


class Startable(Protocol):
    """A child process, as the supervisor sees it."""

    @property
    def name(self) -> str:
        """Its name in the log."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""

    def kill_group(self) -> None:
        """Kill it with all it started."""


class Verdict(Protocol):
    """The health verdict, as the supervisor sees it."""

    def healthy(self) -> None:
        """Answer 200 from now on."""

    def unhealthy(self, reason: str) -> None:
        """Answer 503 from now on."""

    def drain(self, reason: str) -> None:
        """Answer 503 from now on, and refuse invocations too."""


class Supervisor:
    """
    One thing per container: nginx and gunicorn live together and end together.

    Events come in through the `on_...` methods; `exit_status` is None until everything has ended.
    """

    def __init__(  # noqa: PLR0913 - whom it supervises, and how
        self,
        nginx: Startable,
        gunicorn: Startable,
        verdict: Verdict,
        startup_timeout: float,
        clock: Callable[[], float],
        *,
        count_death: Callable[[str], None] = lambda cause: None,
    ):
        """
        Watch two running children; the model has *startup_timeout* seconds to become ready.

        Args:
            count_death: is told the cause of each death of a worker that was not wanted, one of `deaths.CAUSES`.
        """
        self._nginx, self._gunicorn, self._verdict, self._clock = nginx, gunicorn, verdict, clock
        self._alive = {nginx.pid: nginx, gunicorn.pid: gunicorn}
        self._ready_workers: set[int] = set()
        self._was_ready, self._early_deaths = False, 0
        self._count_death, self._crash_loop = count_death, CrashLoop(clock)
        self._last_call = False  # nginx is open still, and refuses
        self._stopping: int | None = None  # the status to exit with, once stopping
        self._deadline: float | None = clock() + startup_timeout

    @property
    def exit_status(self) -> int | None:
        """Return the container's exit status, None while a child lives."""
        return None if self._alive else self._stopping

    @property
    def seconds_left(self) -> float | None:
        """Return the seconds until `on_deadline` is due, None when nothing is awaited."""
        return None if self._deadline is None else max(0.0, self._deadline - self._clock())

    def on_signal(self, number: int) -> None:
        """Drain: refuse new requests, let nginx finish those in flight, then stop gunicorn."""
        if self._stopping is not None:
            return
        log.info("draining", extra={"signal": signal.Signals(number).name})
        self._verdict.drain("The server is draining: it was asked to stop.")
        self._last_call = True
        self._stop(0, LAST_CALL_SECONDS)

    def on_exit(self, pid: int, exit_status: int) -> None:
        """Act on the end of a child; orphans are none of ours."""
        child = self._alive.pop(pid, None)
        if child is None:
            return
        child.kill_group()  # what it left behind: nginx's workers outlive their master and keep the port
        if self._stopping is None:
            self._first_death(child.name, exit_status)
        for survivor in self._alive.values():
            survivor.send(signal.SIGTERM)

    def on_status(self, event: str, pid: int, death: Death | None = None) -> None:
        """Act on what gunicorn says of its workers."""
        if event == status.LOADING and self._stopping is None:
            self._verdict.unhealthy("The model is loading.")
        elif event == status.DOOR_CHANGED and self._stopping is None:
            self._nginx.send(signal.SIGHUP)
        elif event == status.WORKER_READY:
            self._worker_ready(pid)
        elif event == status.WORKER_GONE:
            self._worker_gone(pid, death or UNKNOWN)

    def on_deadline(self) -> None:
        """Act on time running out: of a stop, of the start, or of a worker's replacement."""
        if self._last_call:
            self._last_call = False
            self._stop(0, DRAIN_SECONDS - LAST_CALL_SECONDS)
            if self._nginx.pid in self._alive:
                self._nginx.send(signal.SIGQUIT)
        elif self._stopping is not None:
            self._kill()
        elif not self._was_ready:
            log.critical("cannot start: no worker was ready in time; see SAGEMAKER_STARTUP_TIMEOUT")
            self._give_up(1)
        else:
            log.error("unhealthy: no worker is ready")
            self._verdict.unhealthy("No worker is ready: they died, and none has come back yet.")
            self._deadline = None

    def _worker_ready(self, pid: int) -> None:
        self._ready_workers.add(pid)
        log.info("worker ready", extra={"pid": pid})
        if self._stopping is not None:
            return
        self._deadline = None
        self._verdict.healthy()
        if not self._was_ready:
            log.info("ready")
        self._was_ready = True

    def _worker_gone(self, pid: int, death: Death) -> None:
        self._ready_workers.discard(pid)
        expected = death.was_wanted or self._stopping is not None
        level = logging.INFO if expected else logging.WARNING
        log.log(level, "worker gone: %s", death.words, extra={"pid": pid, **death.details})
        if not expected:
            self._count_death(death.cause)
        if self._stopping is not None:
            return
        if not self._was_ready:
            self._early_death(death)
        elif self._crash_loop.add(death):
            log.critical("giving up: %s", self._crash_loop.in_words)
            self._verdict.unhealthy("The workers die again and again.")
            self._give_up(1)
        elif not self._ready_workers and self._deadline is None:
            self._deadline = self._clock() + RECOVERY_SECONDS

    def _early_death(self, death: Death) -> None:
        self._early_deaths += death.cause not in (ASKED, REFUSED)  # over the latter gunicorn itself ends
        if self._early_deaths == EARLY_DEATHS:
            log.critical(
                "cannot start: %d workers died before one was ready; of the last one: %s. A native library may have "
                "crashed on the model, or memory may be short: try SAGEMAKER_MODEL_SERVER_WORKERS=1, or more memory.",
                EARLY_DEATHS,
                death.words,
            )
            self._give_up(1)

    def _first_death(self, name: str, exit_status: int) -> None:
        log.error("%s ended; the container ends with it", name, extra={"exit_status": exit_status})
        self._verdict.unhealthy(f"{name} has ended.")
        self._stop(exit_status or 1, STOP_SECONDS)  # nobody asked it to end: 0 would claim success

    def _give_up(self, exit_status: int) -> None:
        self._stop(exit_status, STOP_SECONDS)
        for child in self._alive.values():
            child.send(signal.SIGTERM)

    def _stop(self, exit_status: int, seconds: float) -> None:
        self._stopping = exit_status
        self._deadline = self._clock() + seconds

    def _kill(self) -> None:
        for child in self._alive.values():
            log.warning("%s did not stop in time and is killed", child.name)
            child.kill_group()
        self._deadline = None
