"""Servers under check: when one counts as healthy, and the one that most checks share."""

import contextlib
import time

import requests

from contract.limits import Limits
from contract.samples import Sample
from contract.targets import RunningServer, Target, UrlTarget
from server import Server

POLL_SECONDS = 0.1
LOG_LINES = 3
LOG_CHARACTERS = 300
URL_SECONDS = 10.0  # what runs already has no start to wait for


class NotHealthy(AssertionError):
    """A server did not become healthy: it ended, or time was up."""


def is_healthy(server: Server, seconds: float = 2.0) -> bool:
    """Tell whether `/ping` answers 200 within the platform's limit."""
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{server.url}/ping", timeout=seconds).status_code == 200
    return False


def wait_until_healthy(server: Server, seconds: float) -> float:
    """Return how many seconds passed until `/ping` was 200; raise `NotHealthy` when it did not come to that."""
    began = time.monotonic()
    while not is_healthy(server):
        passed = time.monotonic() - began
        if server.has_ended():
            raise NotHealthy(f"it ended with status {server.exit_status()} after {passed:.1f} s; {log_end(server)}")
        if passed > seconds:
            raise NotHealthy(f"no 200 from /ping within {seconds:g} s; {log_end(server)}")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - began


def log_end(server: Server) -> str:
    """Return the last words of a server."""
    if isinstance(server, RunningServer):
        return "its log is elsewhere"
    lines = " / ".join(server.log_text().split("\n")[-LOG_LINES - 1 :]).strip(" /")
    return f"its log ends: {lines[-LOG_CHARACTERS:]}" if lines else "its log is empty"


def ask(server: Server, body: object, headers: dict[str, str | None], seconds: float = 60.0) -> requests.Response:
    """POST to `/invocations` as the platform does; where no answer comes, return one with status 0 and the reason."""
    try:
        return requests.post(f"{server.url}/invocations", data=body, headers=headers, timeout=seconds)
    except requests.RequestException as error:
        return no_answer(error)


def no_answer(error: requests.RequestException) -> requests.Response:
    """Return what stands for an answer that did not come."""
    nothing = requests.Response()
    nothing.status_code = 0
    nothing.reason = type(error).__name__
    nothing._content = b""
    return nothing


class Shared:
    """The server that most checks share: started once, and again if one of them was its end."""

    def __init__(self, target: Target, sample: Sample, limits: Limits):
        self._target, self._sample, self._limits = target, sample, limits
        self._server: Server | None = None
        self._answer: requests.Response | None = None
        self._refusal: NotHealthy | None = None
        self.seconds_to_healthy = 0.0

    def server(self) -> Server:
        """Return the healthy server; raise `NotHealthy` when it cannot be had."""
        if self._refusal:
            raise self._refusal
        if self._server is None or self._server.has_ended():
            self._begin()
        return self._server  # type: ignore[return-value]

    def answer(self) -> requests.Response:
        """Return what the server answers to the sample."""
        if self._answer is None:
            self._answer = ask(self.server(), self._sample.body, {"Content-Type": self._sample.content_type})
        return self._answer

    def close(self) -> None:
        """Stop the server."""
        if self._server:
            self._server.close()

    def _begin(self) -> None:
        self.close()
        target = self._target
        is_url = isinstance(target, UrlTarget)
        seconds = min(URL_SECONDS, self._limits.startup_seconds) if is_url else self._limits.startup_seconds
        try:
            self._server = RunningServer(target.name) if is_url else launched(target)
            self.seconds_to_healthy = wait_until_healthy(self._server, seconds)
        except NotHealthy as refusal:
            self._refusal = refusal
            raise


def launched(target: Target) -> Server:
    """Start the target; what the engine or the system cannot even run is not healthy."""
    try:
        return target.launch(model=target.model)
    except (AssertionError, OSError) as error:
        reason = str(error).partition(": ")[2] if isinstance(error, AssertionError) else str(error)
        raise NotHealthy(f"it cannot be started: {reason.partition(chr(10))[0]}") from error
