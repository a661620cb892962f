"""
What becomes of every kind of caller when the server is asked to stop.

A drain takes up to 24 s, so all of them happen at the same time, each with a server of its own; a test looks at one.
"""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from process_helpers import in_background
from raw_http import answers_in, connected, head, until_closed
from server import MODELS, Server, until
from unbroken import ROW

PLATFORMS_PATIENCE = 30  # seconds from SIGTERM to SIGKILL
LARGE = 24 * 1024 * 1024  # bytes of an answer that no buffer on the way takes whole
ONE_WORKER = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}


class Drained(NamedTuple):
    """How a server ended, and what its callers saw."""

    exit_status: int
    seconds: float
    log: str
    seen: Any


def drained(server: Server, seen: Callable[[], Any]) -> Drained:
    """Ask the server to stop; return how it did, and what was *seen* in the end."""
    began = time.monotonic()
    server.send(signal.SIGTERM)
    exit_status = server.exit_status()
    return Drained(exit_status, time.monotonic() - began, server.log_text(), seen())


def ended_well(end: Drained) -> bool:
    """Tell whether the server ended by itself, before the platform would have ended it."""
    return end.exit_status == 0 and end.seconds < PLATFORMS_PATIENCE and "is killed" not in end.log


def worker_lines(log: str) -> list[dict[str, Any]]:
    """Return the access lines of the requests that reached a worker."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["message"] == "request" and line.get("answered_by") != "nginx"]


# -- many callers


def in_words(answer: requests.Response) -> str:
    """Return the status, or all of a refusal that is not as it should be."""
    if answer.status_code == 200:
        return "200"
    headers = {name: answer.headers.get(name) for name in ("Content-Type", "Retry-After", "Connection")}
    expected = {"Content-Type": "application/json", "Retry-After": "1", "Connection": "close"}
    good = headers == expected and answer.json()["error"]["code"] == "unavailable"
    return str(answer.status_code) if good else f"{answer.status_code} {headers} {answer.text}"


def hammer(server: Server, session: requests.Session, outcomes: list[str]) -> None:
    """Ask until refused."""
    while not outcomes or outcomes[-1] == "200":
        try:
            answer = session.post(f"{server.url}/invocations", data=ROW, timeout=60)
            outcomes.append(in_words(answer))
        except requests.ConnectionError as error:
            outcomes.append("refused" if "refused" in str(error).lower() else f"lost: {error}")


def under_load(server: Server) -> Drained:
    """Half of the callers keep their connection, half make a new one for each request."""
    sessions = [requests.Session() for _ in range(16)]
    for session in sessions[::2]:
        session.headers["Connection"] = "close"
    for session in sessions:
        session.headers["Content-Type"] = "text/csv"
    outcomes: list[list[str]] = [[] for _ in sessions]
    callers = [threading.Thread(target=hammer, args=(server, *pair)) for pair in zip(sessions, outcomes, strict=True)]
    for caller in callers:
        caller.start()
    until(lambda: all(len(of_one) > 5 for of_one in outcomes), "some answers for each")

    def seen() -> list[list[str]]:
        for caller in callers:
            caller.join()
        return outcomes

    return drained(server, seen)


# -- slow callers


def sends_slowly(server: Server) -> bytes:
    """Send a byte every now and then, for four seconds."""
    body = b'{"sleep": 0, "padding": "a few more bytes"}'
    with connected(server) as connection:
        connection.sendall(head(f"Content-Length: {len(body)}"))
        for byte in body:
            connection.sendall(bytes([byte]))
            time.sleep(4 / len(body))
        return until_closed(connection)


def reads_slowly(server: Server) -> int:
    """Read a large answer, for some four seconds; return how much of it came."""
    body = json.dumps({"padding": "x" * LARGE}).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(head(f"Content-Length: {len(body)}") + body)
        received = 0
        while data := connection.recv(LARGE // 40, socket.MSG_WAITALL):
            received += len(data)
            time.sleep(0.1)
        return received


def slow_callers(server: Server) -> Drained:
    (sending,) = in_background(sends_slowly, server)
    (reading,) = in_background(reads_slowly, server)
    until(lambda: worker_lines(server.log_text()), "the answer that is read slowly")
    return drained(server, lambda: (sending.result(), reading.result()))


# -- streams


def streams(server: Server) -> Drained:
    body = json.dumps({"parts": [{"say": "begun"}, *["part", {"sleep": 0.3}] * 5]})
    answers = in_background(lambda _: requests.post(f"{server.url}/invocations", data=body, timeout=60), *range(4))
    until(lambda: server.log_text().count("begun") == len(answers), "all streams' begin")
    return drained(server, lambda: [(answer.result().status_code, answer.result().text) for answer in answers])


# -- callers and models that take too long


def sends_for_ever(server: Server) -> float:
    """Send a byte a second until the connection is closed; return after how long that was."""
    began = time.monotonic()
    with connected(server) as connection:
        connection.settimeout(1)
        connection.sendall(head("Content-Length: 1000"))
        while time.monotonic() - began < 2 * PLATFORMS_PATIENCE:
            try:
                connection.sendall(b"x")
                if not connection.recv(1):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
    return time.monotonic() - began


def to_the_last_second(server: Server) -> Drained:
    (hopeless,) = in_background(sends_for_ever, server)
    (long,) = in_background(lambda _: server.tell(say="begun", sleep=20), 0)
    until(lambda: "begun" in server.log_text(), "the long prediction's begin")
    return drained(server, lambda: (long.result(), hopeless.result()))


NATIVE = """
import numpy, onnxruntime, time

def model_fn(model_dir):
    return onnxruntime.InferenceSession(f"{model_dir}/trees.onnx", providers=["CPUExecutionProvider"])

def predict_fn(rows, model):
    print("begun", flush=True)
    data = numpy.zeros((20000, 20), numpy.float32)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        model.run(None, {model.get_inputs()[0].name: data})
"""

TREES = """
import pathlib, sys
import numpy as np
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestRegressor

rows = np.random.default_rng(0).random((1000, 20), np.float32)
trees = to_onnx(RandomForestRegressor(50, random_state=0).fit(rows, rows.sum(axis=1)), rows[:1])
pathlib.Path(sys.argv[1]).write_bytes(trees.SerializeToString())
"""


def native_model(folder: Path) -> Path:
    """A model that computes in C++ for a minute, and comes back to Python some thirty times a second."""
    # By a process of its own: what `compiling` teaches skl2onnx in this one is not for every ONNX model.
    subprocess.run([sys.executable, "-c", TREES, str(folder / "trees.onnx")], check=True)
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").write_text(NATIVE)
    folder.chmod(0o755)
    return folder


def native_code(server: Server) -> Drained:
    (answer,) = in_background(lambda _: server.invoke("[[1]]"), 0)
    until(lambda: "begun" in server.log_text(), "the prediction's begin")
    return drained(server, lambda: answer.result().status_code)


# -- callers whom nobody waits for


class Stalled(NamedTuple):
    """What a caller has got who sends no more, and after how many seconds the connection was closed."""

    answer: bytes
    seconds: float


def stalled(server: Server, sent: bytes, drip: bytes) -> Stalled:
    """Begin a request, and send *drip* every second, or nothing, until the connection is closed."""
    with connected(server) as connection:
        connection.settimeout(1)
        connection.sendall(sent)
        began = time.monotonic()
        while time.monotonic() - began < 2 * PLATFORMS_PATIENCE:
            try:
                return Stalled(connection.recv(1 << 16), time.monotonic() - began)
            except TimeoutError:
                connection.sendall(drip)
            except ConnectionError:
                break
        return Stalled(b"", time.monotonic() - began)


STALLED = {
    "half of the headers": (b"POST /invocations HTTP/1.1\r\nHost: x\r\n", b""),
    "a header a second": (b"POST /invocations HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n"),
    "half of the body": (head(f"Content-Length: {len(ROW)}") + ROW[:9], b""),
    "half of a chunk": (head("Transfer-Encoding: chunked") + b"ff\r\nI", b""),
}


def stalled_callers(server: Server) -> Drained:
    futures = in_background(lambda case: stalled(server, *case), *STALLED.values())
    seen = [future.result() for future in futures]
    answer = server.invoke(ROW, "text/csv")
    return drained(server, lambda: (seen, answer.status_code))


# -- all of them, at once

WHEREVER = {
    "under_load": (under_load, MODELS / "abalone", {"SAGEMAKER_MODEL_SERVER_WORKERS": "2"}),
    "slow_callers": (slow_callers, "obedient", ONE_WORKER),
    "streams": (streams, "streaming", ONE_WORKER),
}
ON_THE_HOST = {
    "to_the_last_second": (to_the_last_second, "obedient", ONE_WORKER),
    "stalled_callers": (stalled_callers, MODELS / "abalone", ONE_WORKER),
    "native_code": (native_code, native_model, {**ONE_WORKER, "SAGEMAKER_MODEL_SERVER_TIMEOUT": "8"}),
}


@pytest.fixture(scope="module")
def drains(begin, where, tmp_path_factory) -> Iterator[dict[str, "Future[Drained]"]]:
    """The ends of all servers, each begun as soon as its server is ready."""
    scenarios = WHEREVER | (ON_THE_HOST if where == "host" else {})
    with ExitStack() as stack, ThreadPoolExecutor(len(scenarios)) as pool:

        def run(scenario: Callable[[Server], Drained], server: Server, workers: int) -> Drained:
            server.wait_until_ready()
            until(lambda: server.log_text().count("worker ready") >= workers, "all workers")
            return scenario(server)

        futures = {}
        for name, (scenario, model, environ) in scenarios.items():
            folder = model(tmp_path_factory.mktemp(name)) if callable(model) else model
            server = stack.enter_context(closing(begin(folder, **environ)))
            futures[name] = pool.submit(run, scenario, server, int(environ["SAGEMAKER_MODEL_SERVER_WORKERS"]))
        yield futures


@pytest.mark.timeout(180)
def test_under_load_every_request_is_answered_or_refused_in_words(drains):
    end = drains["under_load"].result()
    counted = Counter(outcome for of_one in end.seen for outcome in of_one)
    assert set(counted) <= {"200", "503", "refused"}, counted
    assert counted["503"] > 0  # the last call
    assert counted["200"] == len(worker_lines(end.log))
    assert ended_well(end), end.log


@pytest.mark.timeout(180)
def test_callers_who_send_or_read_slowly_are_waited_for(drains):
    end = drains["slow_callers"].result()
    sent, read = end.seen
    (answer,) = answers_in(sent)
    assert answer.status == 200
    assert read > LARGE
    assert ended_well(end), end.log


@pytest.mark.timeout(180)
def test_streams_in_flight_come_to_their_end(drains):
    end = drains["streams"].result()
    assert end.seen == [(200, "part" * 5)] * 4
    assert ended_well(end), end.log


@pytest.mark.only("host")
@pytest.mark.timeout(180)
def test_a_prediction_of_20_seconds_is_answered_and_a_caller_without_an_end_is_let_go(drains):
    end = drains["to_the_last_second"].result()
    long, hopeless = end.seen
    assert long.status_code == 200
    assert hopeless < PLATFORMS_PATIENCE
    assert ended_well(end), end.log


@pytest.mark.only("host")
@pytest.mark.timeout(180)
def test_a_model_that_still_computes_in_native_code_for_nobody_is_no_crash(drains):
    end = drains["native_code"].result()
    assert end.seen == 504
    assert ended_well(end), end.log
    assert "ended while the model was computing for nobody" in end.log
    assert "was sent SIG" not in end.log
    assert "terminate called" not in end.log


@pytest.mark.only("host")
@pytest.mark.timeout(180)
def test_a_caller_who_sends_no_more_is_let_go_and_reaches_no_worker(drains):
    end = drains["stalled_callers"].result()
    seen, status = end.seen
    assert [each.answer for each in seen] == [b""] * len(STALLED)
    assert max(each.seconds for each in seen) < 2 * PLATFORMS_PATIENCE
    assert status == 200
    assert len(worker_lines(end.log)) == 1
    assert ended_well(end), end.log
