"""`serve_pipeline.sh` as people run it: on this machine, and in Docker."""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from ports import free_port
from server import MODELS, PATIENCE, ROOT, until

SCRIPT = ROOT / "local_test" / "serve_pipeline.sh"
HALVES = ("abalone_featurizer", "abalone_predictor")
# What a shell runs in the background ignores Ctrl-C, and so would everything below these tests there.
HEEDING_CTRL_C = ("env", "--default-signal=INT")


def neighbouring_ports() -> int:
    """Return the first of two free ports that follow one another."""
    second = free_port()
    while (first := free_port()) != second - 1:
        second = first
    return first


class Pipeline:
    """The script in a terminal's process group, with a model folder for each container."""

    def __init__(self, output: Path, *arguments: object):
        self.ports = (first := neighbouring_ports(), first + 1)
        self.endpoint_port = free_port()
        self.output = output
        options = ("--port", self.ports[0], "--endpoint-port", self.endpoint_port)
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [*HEEDING_CTRL_C, SCRIPT, *map(str, (*arguments, *options))],
                stdout=file,
                stderr=file,
                cwd="/",
                env={**os.environ, "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
                start_new_session=True,
            )

    def text(self) -> str:
        return self.output.read_text()

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            assert self.process.poll() is None, self.text()
            return self.shown()[1] != ""

        until(is_ready, "the answer to the sample", patience=300)

    def shown(self) -> tuple[str, str]:
        """Return the curl line that is shown, and the answer under it."""
        found = re.search(r"^  (curl .*)\n  (.+)$", self.text(), re.MULTILINE)
        return found.groups() if found else ("", "")

    def ask(self, number: int, body: bytes | str, content_type: str = "text/csv") -> requests.Response:
        """Ask one container, as the endpoint does."""
        return post(f"http://127.0.0.1:{self.ports[number]}/invocations", body, content_type)

    def ask_all(self, body: bytes | str, content_type: str = "text/csv") -> requests.Response:
        """Ask the endpoint."""
        return post(f"http://127.0.0.1:{self.endpoint_port}/endpoints/pipeline/invocations", body, content_type)

    def listening(self) -> list[int]:
        """Return the ports that something still listens on."""
        return [port for port in (*self.ports, self.endpoint_port) if is_taken(port)]

    def close(self) -> None:
        """Press Ctrl-C."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(PATIENCE)


def is_taken(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def post(url: str, body: bytes | str, content_type: str) -> requests.Response:
    return requests.post(url, data=body, headers={"Content-Type": content_type}, timeout=PATIENCE)


@pytest.fixture(
    scope="module",
    params=[pytest.param("host", marks=pytest.mark.nginx), pytest.param("docker", marks=pytest.mark.engine)],
)
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Return where the containers run, and copies of the two halves, which a test may remove."""
    if request.param == "docker":
        request.getfixturevalue("image")  # what it is built of is cached then
    copies = tmp_path_factory.mktemp("models")
    for half in HALVES:
        shutil.copytree(MODELS / half, copies / half)
    return request.param, copies


@pytest.fixture(scope="module")
def pipeline(folders: tuple[str, Path]) -> Iterator[Pipeline]:
    """Return the two halves, running; the last test of a module ends them."""
    engine, copies = folders
    with closing(Pipeline(copies / "output", *(copies / half for half in HALVES), "--engine", engine)) as running:
        running.wait_until_ready()
        yield running
