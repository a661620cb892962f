"""The image, run as SageMaker runs it and harder: servers with options of `docker run`, and single commands."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests

from server import ContainerServer, docker

ASK = """
import sys, urllib.error, urllib.request

method, url, body, content_type = sys.argv[1:]
request = urllib.request.Request(url, body.encode() or None, {"Content-Type": content_type}, method=method)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    answer = opener.open(request, timeout=60)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.headers["Content-Type"], answer.read().decode(), sep="\\n", end="")
"""


class SealedServer(ContainerServer):
    """A container in a network that publishes no port: it is asked from inside."""

    def __init__(self, model, environ, options, image):
        super().__init__(model, environ, options=options, image=image)
        self.port = int(environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))

    def ping(self, method="GET"):
        return self.ask(method, "ping")

    def invoke(self, body, content_type="application/json"):
        return self.ask("POST", "invocations", body, content_type)

    def ask(self, method, path, body="", content_type="text/plain"):
        command = ["python", "-c", ASK, method, f"{self.url}/{path}", body, content_type]
        done = docker("exec", self.name, *command, check=False)
        if done.returncode:
            raise requests.ConnectionError(done.stderr)
        status, answered_type, content = done.stdout.split("\n", 2)
        answer = requests.Response()
        answer.status_code, answer._content = int(status), content.encode()
        answer.headers["Content-Type"] = answered_type
        return answer


@pytest.fixture
def launch(image: str) -> Iterator[Callable[..., ContainerServer]]:
    """Start servers with *options* of `docker run`, closed after the test; do not wait for them."""
    with ExitStack() as stack:

        def launch(model: Path | None, *options: str, image: str = image, **environ: str) -> ContainerServer:
            kind = SealedServer if "--network" in options else ContainerServer
            return stack.enter_context(closing(kind(model, environ, options=options, image=image)))

        yield launch


@pytest.fixture
def run(launch: Callable[..., ContainerServer]) -> Callable[..., ContainerServer]:
    """Start servers, and wait until they are ready."""

    def run(*arguments: object, **more: object) -> ContainerServer:
        server = launch(*arguments, **more)
        server.wait_until_ready()
        return server

    return run


@pytest.fixture
def command(image: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run one command in a new container of the image, to its end."""

    def command(*words: str, options: tuple[str, ...] = (), image: str = image) -> subprocess.CompletedProcess[str]:
        return docker("run", "--rm", *options, image, *words, check=False)

    return command
