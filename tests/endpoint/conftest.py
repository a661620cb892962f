"""Real clients against real servers: boto3, the local endpoint, and behind it `serve` or a container with a script."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from ports import free_port
from server import MODELS, ROOT, TEST_MODELS, HostServer, until

# `local_test` has the code under test, this folder the tests' own containers.
for folder in (ROOT / "local_test", Path(__file__).parent):
    sys.path.insert(0, str(folder))

from scripted import ScriptedContainer  # noqa: E402

from runtime.app import Runtime, create_app  # noqa: E402
from runtime.endpoints import parse_endpoint  # noqa: E402
from runtime.limits import Limits  # noqa: E402
from runtime.server import listen, serve  # noqa: E402

PROGRAM = ROOT / "local_test" / "endpoint.py"
CREDENTIALS = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "eu-west-1"}
AWS_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "eu-west-1"}
BUCKET = "predictions"


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    return boto3.Session(**CREDENTIALS)


@pytest.fixture
def connect(session) -> Iterator[Callable[..., Any]]:
    """Make boto3 clients of the runtime at a port: the first try counts, unless a test says otherwise."""
    with ExitStack() as stack:

        def connect(port: int, attempts: int = 1, **settings: Any) -> Any:
            config = Config(retries={"total_max_attempts": attempts}, read_timeout=60, **settings)
            url = f"http://127.0.0.1:{port}"
            return stack.enter_context(closing(session.client("sagemaker-runtime", endpoint_url=url, config=config)))

        yield connect


@pytest.fixture
def container() -> Iterator[Callable[..., ScriptedContainer]]:
    """Start containers that follow a script."""
    with ExitStack() as stack:
        yield lambda script, **more: stack.enter_context(closing(ScriptedContainer(script, **more)))


@pytest.fixture
def said() -> list[str]:
    """Everything that the endpoint logged."""
    return []


@pytest.fixture
def put_in_front(said) -> Iterator[Callable[..., int]]:
    """Start an endpoint `x`, or those of other names, in front of containers; return its port."""
    with ExitStack() as stack:

        def put_in_front(*ports: int, limits: Limits | None = None, asynchronous: Any = None, **others: Any) -> int:
            texts = {"x": ports, **others} if ports else others
            endpoints = {name: parse_endpoint(f"{name}={','.join(map(str, these))}") for name, these in texts.items()}
            app = create_app(Runtime(endpoints, limits or Limits(), said.append, asynchronous))
            server = serve(listen(0), app)
            stack.callback(server.shutdown)
            return server.port

        yield put_in_front


@pytest.fixture
def runtime(put_in_front, connect) -> Callable[..., Any]:
    """Return a boto3 client of an endpoint `x` in front of containers."""
    return lambda *ports, **more: connect(put_in_front(*ports, **more))


@pytest.fixture
def host() -> Iterator[Callable[..., HostServer]]:
    """Start our own server, as on a developer's machine."""
    with ExitStack() as stack:

        def host(model: Path | str, *, wait: bool = True, **environ: str) -> HostServer:
            folder = TEST_MODELS / model if isinstance(model, str) else model
            server = stack.enter_context(closing(HostServer(folder, environ)))
            if wait:
                server.wait_until_ready()
            return server

        yield host


@pytest.fixture(scope="session")
def abalone() -> Iterator[HostServer]:
    """Our own server with the example model, for every test that changes nothing about it."""
    with closing(HostServer(MODELS / "abalone", {})) as server:
        server.wait_until_ready()
        yield server


class Program:
    """`endpoint.py` as people run it."""

    def __init__(self, log: Path, arguments: tuple[str, ...], environ: dict[str, str]):
        self.log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM), *arguments],
                env={"PATH": os.environ["PATH"], **environ},
                cwd="/",
                stdout=stream,
                stderr=stream,
                stdin=subprocess.DEVNULL,
            )

    def said(self) -> str:
        return self.log.read_text()

    def wait_until_ready(self) -> int:
        """Return the port."""
        ready = re.compile(r"ready on http://localhost:(\d+)")
        until(lambda: ready.search(self.said()) or self.process.poll() is not None, "the ready line")
        assert self.process.poll() is None, self.said()
        return int(ready.search(self.said())[1])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def program(tmp_path) -> Iterator[Callable[..., Program]]:
    with ExitStack() as stack:

        def program(*arguments: str, **environ: str) -> Program:
            return stack.enter_context(closing(Program(tmp_path / "endpoint.log", arguments, environ)))

        yield program


@pytest.fixture(scope="session")
def s3_url(tmp_path_factory) -> Iterator[str]:
    """An S3 of our own: moto's server."""
    port, log = free_port(), tmp_path_factory.mktemp("moto") / "log"
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as stream, subprocess.Popen(command, stdout=stream, stderr=stream) as process:
        until(lambda: "Running on" in log.read_text() or process.poll() is not None, "moto's server")
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture(scope="session")
def s3(session, s3_url) -> Iterator[Any]:
    with closing(session.client("s3", endpoint_url=s3_url)) as client:
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield client
