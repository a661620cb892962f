"""Every promise here is kept twice: by `serve` on this machine, and by the image in Docker."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from server import TEST_MODELS, ContainerServer, HostServer, Server

Start = Callable[..., Server]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the half of a test that is for the machine only, or for the image only."""
    for item in list(items):
        only = item.get_closest_marker("only")
        if only and only.args[0] != item.callspec.params["launch"]:
            items.remove(item)
            config.hook.pytest_deselected(items=[item])


@pytest.fixture(params=[pytest.param("host", marks=pytest.mark.nginx), pytest.param("image", marks=pytest.mark.engine)])
def launch(request: pytest.FixtureRequest) -> Iterator[Start]:
    """Start servers that are closed after the test, whatever becomes of it; do not wait for them."""
    if request.param == "image":
        request.getfixturevalue("image")
    start: Start = HostServer if request.param == "host" else ContainerServer
    with ExitStack() as stack:

        def launch(model: Path | str, *arguments: str, **environ: str) -> Server:
            folder = TEST_MODELS / model if isinstance(model, str) else model
            return stack.enter_context(closing(start(folder, environ, arguments)))

        yield launch


@pytest.fixture
def serve(launch: Start) -> Start:
    """Start servers, and wait until they are ready."""

    def serve(model: Path | str, *arguments: str, **environ: str) -> Server:
        server = launch(model, *arguments, **environ)
        server.wait_until_ready()
        return server

    return serve
