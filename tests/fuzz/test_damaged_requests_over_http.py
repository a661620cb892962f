"""Damaged requests through a real server: some thousand of the million that `python -m fuzz.http` sends."""

import json
import os
import socket
import subprocess
import sys
import threading
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fuzz.account import Account
from fuzz.campaign import python_path
from fuzz.http import fuzz, save
from fuzz.mutations import Mutator
from fuzz.sender import Broken, Report, Sender, complaint
from server import MODELS, PATIENCE, HostServer

OURS = b'{"error": {"code": "bad_request", "message": "no", "request_id": "1"}}'


@pytest.fixture(scope="module")
def server() -> Iterator[HostServer]:
    with closing(HostServer(MODELS / "abalone", {})) as server:
        server.wait_until_ready()
        yield server


@pytest.mark.nginx
def test_every_damaged_request_is_answered_and_none_is_the_servers_fault(server: HostServer) -> None:
    asked = Namespace(requests=3000, connections=16, senders=1, seed=1)
    account = fuzz(("127.0.0.1", server.port), server.root_pid, asked, lambda line: None)
    assert account.complaints == []
    assert account.deaths == 0
    assert len(account.megabytes) == 3
    assert {200, 400, 406, 415} <= set(account.statuses)  # some of every kind


@pytest.mark.nginx
@pytest.mark.parametrize("header", [b"X-A: \x1e", b"X-A: \x7f", b"Accept: a\x01b"])
def test_a_head_that_gunicorn_refuses_is_refused_in_json(server: HostServer, header: bytes) -> None:
    """nginx lets a control character through. gunicorn's own page is HTML, with the header's name in it."""
    request = b"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Length: 2\r\n" + header + b"\r\n\r\n[]"
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        connection.sendall(request)
        head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    error = json.loads(body)["error"]
    assert error["code"] == "bad_request"
    assert error["message"] == "The request's head cannot be read (InvalidHeader)."
    assert f"X-Request-Id: {error['request_id']}".encode().lower() in head.lower()


# -- what it notices


class Scripted:
    """A server on a port of its own that answers each request with the next of some answers; b"" closes instead."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        left = list(self._answers)
        while left:
            with self._listener.accept()[0] as connection:
                while left and connection.recv(1 << 20):
                    if not (answer := left.pop(0)):
                        break
                    connection.sendall(answer)

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()
        self._thread.join(PATIENCE)


def answer(status: int, body: bytes) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_a_fault_and_a_request_without_an_answer_are_counted_and_kept() -> None:
    script = [answer(200, b"1"), answer(500, OURS), b"", b"", answer(400, OURS), answer(400, b"<html>")]
    reports: list[Report] = []
    with closing(Scripted(*script)) as server:
        Sender(server.address, 1, Mutator("1"), reports.append).run(5)
    (report,) = reports
    assert report.statuses == Counter({200: 1, 500: 1, 0: 1, 400: 2})
    whats = ["status 500", "no answer", "status 400 without an error of ours"]
    assert [found.what for found in report.broken] == whats
    assert all(found.request.startswith(b"POST /invocations HTTP/1.1\r\n") for found in report.broken)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"anything", ""),
        (400, OURS, ""),
        (503, OURS, ""),
        (503, b"Service Unavailable", "status 503 without an error of ours"),
        (502, OURS, "status 502"),
        (400, OURS + b" " * 1024, "status 400 without an error of ours"),
        (0, b"", "no answer"),
    ],
)
def test_an_answer_is_right_when_it_is_no_fault_and_a_refusal_is_ours(status: int, body: bytes, expected: str) -> None:
    assert complaint(status, answer(status, body)) == expected


def test_an_account_complains_of_deaths_of_memory_and_of_what_is_missing() -> None:
    account = Account(10, 1, 1, statuses=Counter({200: 9}), megabytes=[90, 100, 161], deaths=1)
    assert account.complaints == [
        "1 requests are not accounted for",
        "1 worker(s) died",
        "the workers' memory grew from 100 to 161 MB",
    ]
    assert "BROKEN: 1 worker(s) died" in account.in_words()
    assert account.as_json()["worker_deaths"] == 1


def test_an_account_without_complaints_says_so() -> None:
    account = Account(10, 1, 7, 2.0, Counter({200: 8, 400: 2}), megabytes=[90, 100, 101], deaths=0)
    assert account.in_words().splitlines() == [
        "10 of 10 requests answered in 2 s, 5 a second (seed 7)",
        "by status: 200: 8, 400: 2",
        "workers: 0 died; memory 90 -> 100 -> 101 MB (warm, middle, end)",
        "All promises were kept.",
    ]


def test_what_broke_a_promise_is_saved_as_it_was_sent(tmp_path: Path) -> None:
    (path,) = save([Broken(500, "status 500", b"POST")], tmp_path / "new")
    assert path.name.startswith("http-500-")
    assert path.read_bytes() == b"POST"


def test_the_same_seed_makes_the_same_requests() -> None:
    first, second, other = Mutator("1"), Mutator("1"), Mutator("2")
    found = [first.request() for _ in range(50)]
    assert found == [second.request() for _ in range(50)]
    assert found != [other.request() for _ in range(50)]


def test_the_command_ends_with_1_when_a_promise_is_broken(tmp_path: Path) -> None:
    with closing(Scripted(answer(500, OURS))) as server:
        done = subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "fuzz.http",
                    "--json",
                    "--requests",
                    "1",
                    "--connections",
                    "1",
                    "--senders",
                    "1",
                ),
                *("--url", f"http://127.0.0.1:{server.address[1]}", "--findings", str(tmp_path)),
            ],
            env={**os.environ, "PYTHONPATH": python_path()},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["statuses"], summary["complaints"]) == ({"500": 1}, ["1 x status 500"])
    assert f"saved {next(tmp_path.iterdir())}" in done.stderr
