"""Whoever is refused at the door and comes again without a pause waits, so that refusing leaves the CPU alone."""

import contextlib
import os
import select
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ports import free_port
from server import until
from serving import nginx as door
from serving.overload_sign import sign_path
from serving.processes import nginx_command
from serving.settings import Settings

pytestmark = pytest.mark.nginx

# Two refusals at once and then one in a minute, for which three may wait.
PACED_SLOWLY = {"rate=1000r/s": "rate=1r/m", "burst=2000 delay=100": "burst=4 delay=1"}
AT_ONCE, WAITING = 2, 3


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A real nginx at which the sign hangs, on a port of its own."""
    port = free_port()
    settings = Settings.from_environment({"SM_MODEL_DIR": "/models/mine", "SAGEMAKER_BIND_TO_PORT": str(port)})
    path = door.write_configuration(settings, 1, tmp_path)
    text = path.read_text()
    for usual, slow in PACED_SLOWLY.items():
        assert text.count(usual) == 1
        text = text.replace(usual, slow)
    path.write_text(text)
    (tmp_path / "healthy").touch()
    sign_path(tmp_path).touch()
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(nginx_command(path, as_root=os.geteuid() == 0), stderr=log) as nginx,
    ):
        try:
            until(lambda: status_of_ping(port) == 200, "nginx", 20)
            yield port
        finally:
            nginx.terminate()
    logged = (tmp_path / "log").read_text()
    assert "[error]" not in logged  # neither of those who waited nor of those for whom there was no room
    assert "[warn]" not in logged


def status_of_ping(port: int) -> int | None:
    with contextlib.suppress(OSError):
        return requests.get(f"http://127.0.0.1:{port}/ping", timeout=10).status_code
    return None


def invoke(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Length: 1\r\n\r\n1")
    return connection


def is_answered(connection: socket.socket, seconds: float) -> bool:
    return bool(select.select([connection], [], [], seconds)[0])


def test_beyond_a_number_refusals_wait_and_beyond_another_they_come_at_once_again(port: int) -> None:
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(invoke(port)) for _ in range(AT_ONCE + WAITING)]
        at_once = callers[:AT_ONCE]
        assert all(is_answered(caller, 10) for caller in at_once)
        until(lambda: status_of_ping(port) == 200, "a ping, by when nginx has seen all of them")
        assert not any(is_answered(caller, 0) for caller in callers[AT_ONCE:])
        at_once.append(stack.enter_context(invoke(port)))
        answers = [caller.recv(65536) for caller in at_once]
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'"overloaded"' in answer
        assert b"Retry-After: 1\r\n" in answer
