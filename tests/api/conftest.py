"""The Lambda function, its HTTP API and its page, in front of SageMaker's local runtime and real containers."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from server import MODELS, ROOT, HostServer

for folder in (ROOT / "local_test", ROOT / "tests" / "endpoint", Path(__file__).parent):
    sys.path.insert(0, str(folder))

from function import Function  # noqa: E402
from scripted import ScriptedContainer  # noqa: E402

from runtime.app import Runtime, create_app  # noqa: E402
from runtime.endpoints import parse_endpoint  # noqa: E402
from runtime.limits import Limits  # noqa: E402
from runtime.server import listen, serve  # noqa: E402


@pytest.fixture(scope="session")
def movies() -> Iterator[HostServer]:
    """The model that the page is for, really served."""
    with served("movie_sentiment") as server:
        yield server


@pytest.fixture(scope="session")
def transformer() -> Iterator[HostServer]:
    """The model that takes JSON, really served."""
    with served("transformer_sentiment") as server:
        yield server


@contextmanager
def served(model: str) -> Iterator[HostServer]:
    with closing(HostServer(MODELS / model, {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"})) as server:
        server.wait_until_ready()
        yield server


@pytest.fixture(scope="module")
def container() -> Iterator[Callable[..., ScriptedContainer]]:
    """Start containers that follow a script."""
    with ExitStack() as stack:
        yield lambda script, **more: stack.enter_context(closing(ScriptedContainer(script, **more)))


@pytest.fixture(scope="module")
def runtime() -> Iterator[Callable[..., str]]:
    """Start the runtime with an endpoint `x` in front of a container; return its address."""
    with ExitStack() as stack:

        def runtime(port: int, limits: Limits | None = None) -> str:
            endpoints = {"x": parse_endpoint(f"x={port}")}
            server = serve(listen(0), create_app(Runtime(endpoints, limits or Limits(), lambda line: None)))
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.port}"

        yield runtime


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[dict[str, Any], str]]:
    """One runtime for many endpoints, which are added while it goes on; and its address."""
    endpoints: dict[str, Any] = {}
    server = serve(listen(0), create_app(Runtime(endpoints, Limits(), lambda line: None)))
    yield endpoints, f"http://127.0.0.1:{server.port}"
    server.shutdown()


@pytest.fixture
def function(runtime, shared) -> Callable[..., Function]:
    """Make the Lambda function for an endpoint in front of a container."""
    endpoints, url = shared

    def function(port: int, limits: Limits | None = None, **settings: Any) -> Function:
        if limits:
            return Function(runtime(port, limits), **settings)
        name = f"on-{port}"
        endpoints[name] = parse_endpoint(f"{name}={port}")
        return Function(url, endpoint=name, **settings)

    return function
