"""Every promise here is kept twice: by `serve` on this machine, and by the image in Docker."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from server import TEST_MODELS, ContainerServer, HostServer, Server, descendants, until

Start = Callable[..., Server]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the half of a test that is for the machine only, or for the image only."""
    for item in list(items):
        only = item.get_closest_marker("only")
        if only and only.args[0] != item.callspec.params["where"]:
            items.remove(item)
            config.hook.pytest_deselected(items=[item])


class KilledServer(HostServer):
    """`serve` on this machine, closed as `docker rm --force` closes a container: a stop takes it a second and more."""

    def close(self) -> None:
        """Kill it with all that it has started, once none of them can start another."""
        frozen: set[int] = set()
        while not self.has_ended() and (running := {self.root_pid, *descendants(self.root_pid)} - frozen):
            send_all(running, signal.SIGSTOP)
            frozen |= running
        send_all(frozen, signal.SIGKILL)
        super().close()


def send_all(pids: set[int], number: signal.Signals) -> None:
    """Signal those of the processes that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


KINDS = {"host": KilledServer, "image": ContainerServer}


@pytest.fixture(
    scope="module",
    params=[pytest.param("host", marks=pytest.mark.nginx), pytest.param("image", marks=pytest.mark.engine)],
)
def where(request: pytest.FixtureRequest) -> str:
    """Where the servers run; a module's tests are all run in one place, then all in the other."""
    if request.param == "image":
        request.getfixturevalue("image")
    return request.param


@pytest.fixture(scope="module")
def begin(where: str) -> Start:
    """Start a server with a model folder, or with one of the tests' by its name. Whoever calls this closes it."""

    def begin(model: Path | str | None, *arguments: str, **environ: str) -> Server:
        return KINDS[where](TEST_MODELS / model if isinstance(model, str) else model, environ, arguments)

    return begin


@pytest.fixture
def launch(begin: Start) -> Iterator[Start]:
    """Start servers that are closed after the test, whatever becomes of it; do not wait for them."""
    with ExitStack() as stack:
        yield lambda *arguments, **environ: stack.enter_context(closing(begin(*arguments, **environ)))


@pytest.fixture
def serve(launch: Start) -> Start:
    """Start servers, and wait until they are ready: every worker of those that were asked for, not the first alone."""

    def serve(model: Path | str, *arguments: str, **environ: str) -> Server:
        server = launch(model, *arguments, **environ)
        server.wait_until_ready()
        workers = int(environ.get("SAGEMAKER_MODEL_SERVER_WORKERS", "1"))
        until(lambda: server.log_text().count("worker ready") >= workers, f"{workers} ready workers")
        return server

    return serve
