"""The hot path, held against gunicorn's own worker and Flask over real sockets: the same bytes in, the same answer."""

import gc
import io
import json
import logging
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPResponse
from typing import Any, ClassVar

import gevent
import pytest
from gevent import socket
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.ggevent import GeventWorker

from fakes import Rest
from predictor import create_app
from serving.connections import MAX_HEAD
from serving.errors import BadRequest, ModelFailed, RequestError
from serving.hot_path import HotPath
from serving.inference import InferenceRequest, InferenceResponse
from serving.plain_requests import read_plain_head
from serving.worker import CooperativeWorker

LIMIT = 1000  # bytes of a body
PATIENCE = 20
OF_GUNICORN = {"server", "date", "connection"}  # nginx leaves them out or writes its own


class Service:
    """Answers as a function says, and remembers the requests."""

    ready = True
    execution_parameters: dict[str, Any] = {}  # noqa: RUF012  # never changed

    def __init__(self, answer: Callable[[InferenceRequest], InferenceResponse]):
        self.requests: list[InferenceRequest] = []
        self._answer = answer

    def answer(self, request: InferenceRequest) -> InferenceResponse:
        """Return the function's answer."""
        self.requests.append(request)
        return self._answer(request)


def echo(request: InferenceRequest) -> InferenceResponse:
    return InferenceResponse(request.body, "text/csv")


def raising(error: BaseException) -> Callable[[InferenceRequest], InferenceResponse]:
    def answer(request: InferenceRequest) -> InferenceResponse:
        raise error

    return answer


def worker_of(kind: type[GeventWorker], service: Service) -> GeventWorker:
    """Return a worker that serves *service*, as one does whose arbiter has just started it."""
    config = Config()
    for name, value in {"keepalive": 0, "limit_request_line": 0, "limit_request_field_size": 131072}.items():
        config.set(name, value)
    worker = kind(1, 1, [], None, 30, config, Logger(config))
    worker.tmp.close()  # where it would tell the arbiter that it lives
    worker.wsgi = create_app(service, LIMIT)
    worker.wsgi.extensions["hot_path"] = HotPath(service, LIMIT)
    return worker


def exchanged(worker: GeventWorker, *pieces: bytes, half_closed: bool = True) -> bytes:
    """Send the pieces over one connection to the worker, and return everything that comes back until it ends."""
    ours, theirs = socket.socketpair()
    handler = gevent.spawn(worker.handle, theirs, theirs, ("", 0))
    with closing(ours):
        for piece in pieces:
            ours.sendall(piece)
            gevent.sleep(0.001)
        if half_closed:
            ours.shutdown(socket.SHUT_WR)
        ours.settimeout(PATIENCE)
        answer = b"".join(iter(lambda: ours.recv(1 << 16), b""))
    handler.join(PATIENCE)
    return answer


class Wire:
    """Bytes, as `http.client` reads them from a socket."""

    def __init__(self, data: bytes):
        self.data = data

    def makefile(self, mode: str) -> Any:
        """Return the bytes as a file."""
        del mode
        return io.BytesIO(self.data)


def understood(data: bytes) -> tuple[int, str, dict[str, str], bytes]:
    """Return status, reason, headers and body of the one answer in *data*."""
    answer = HTTPResponse(Wire(data), method="POST")
    answer.begin()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, answer.reason, {k: v for k, v in headers.items() if k not in OF_GUNICORN}, answer.read()


def same_for_both(
    data: bytes, answer: Callable[[], Callable[[InferenceRequest], InferenceResponse]] = lambda: echo
) -> tuple[int, str, dict[str, str], bytes]:
    """Return the answer to *data*, which both ways give, as both ask the service for the same."""
    hot, plain = Service(answer()), Service(answer())
    by_hot, by_plain = (
        understood(exchanged(worker_of(kind, service), data))
        for kind, service in ((CooperativeWorker, hot), (GeventWorker, plain))
    )
    assert by_hot == by_plain
    assert [asked(request) for request in hot.requests] == [asked(request) for request in plain.requests]
    return by_hot


def asked(request: InferenceRequest) -> dict[str, Any]:
    """Return all that the model's side can see of a request."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return {**request._asdict(), "headers": headers, "timing": type(request.timing), "has_gone": request.has_gone()}


def invocation(body: bytes = b"1,2\n", *lines: str, length: int | None = None) -> bytes:
    """Return a plain invocation with further header lines, as nginx sends it."""
    found = ["Host: model", "X-Request-Id: id-1", f"Content-Length: {len(body) if length is None else length}", *lines]
    return "\r\n".join(["POST /invocations HTTP/1.1", *found, "", ""]).encode("latin-1") + body


def went_the_hot_way(data: bytes) -> bool:
    """Tell whether the hot path answers it itself."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        unread = HotPath(Service(echo), LIMIT).serve(theirs, lambda: True)
    assert unread in (b"", data)
    return not unread


@pytest.fixture
def access_lines(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was written of each request, but for the time that it took."""
    logging.getLogger("serving.access").setLevel(logging.INFO)

    def lines() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
        return [{k: v for k, v in line.items() if k not in ("time", "milliseconds")} for line in found]

    yield lines
    logging.getLogger("serving.access").setLevel(logging.NOTSET)


HEADERS = [
    "Content-Type: text/csv",
    "content-type:application/json; charset=utf-8",
    "Accept: application/json;q=0.5, text/csv",
    "ACCEPT:*/*",
    "Content-Encoding:  GZIP ",
    "X-Amzn-SageMaker-Custom-Attributes: trace=1;\ttenant=2",
    "X-Amzn-SageMaker-Inference-Id: abc",
    "User-Agent: caf\u00e9",
    "Cookie: a=1; b=2",
    "X-Empty:",
    "Cache-Control: no-cache",
    "X-Forwarded-For: 10.0.0.1, 10.0.0.2",
    "X-Forwarded-Proto: https",
    "Origin: https://example.test",
    "Range: bytes=0-1",
]


def random_invocation(seed: int) -> bytes:
    """Return an invocation with some headers and a body of any bytes."""
    dice = random.Random(seed)
    names: dict[str, str] = {}
    for line in dice.sample(HEADERS, dice.randrange(len(HEADERS))):
        names.setdefault(line.partition(":")[0].lower(), line)
    return invocation(dice.randbytes(dice.choice([0, 1, 50, LIMIT])), *names.values())


@pytest.mark.parametrize("seed", range(40))
def test_a_plain_invocation_is_read_and_answered_alike(seed: int) -> None:
    data = random_invocation(seed)
    assert went_the_hot_way(data)
    assert same_for_both(data)[0] == 200


@pytest.mark.parametrize(
    "error",
    [
        BadRequest("Row 1 has 3 columns; the model takes 8."),
        ModelFailed("predict_fn failed (KeyError); the log has the details."),
        RequestError("é" * 5000, status=418, code="output_fn_refused"),
        RequestError("no such status", status=499),
        RuntimeError("a secret"),
        BlockingIOError("not the caller's connection"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_are_answered_alike(error: Exception) -> None:
    status, _, headers, body = same_for_both(invocation(), lambda: raising(error))
    assert status == getattr(error, "status", 500)
    assert headers["content-type"] == "application/json"
    assert b"secret" not in body


def test_headers_of_hooks_are_sent_alike() -> None:
    headers = {"X-Amzn-SageMaker-Custom-Attributes": "a=1", "x-model-version": "3"}
    answer = same_for_both(invocation(), lambda: lambda request: InferenceResponse(b"7.5", "text/csv", headers))
    assert answer[2]["x-amzn-sagemaker-custom-attributes"] == "a=1"
    assert answer[2]["x-model-version"] == "3"


@pytest.mark.parametrize("parts", [[], [b"second,"], [b"second,", b"x" * 100_000, b"third"]], ids=len)
def test_a_streamed_answer_is_sent_alike(parts: list[bytes]) -> None:
    def answer() -> Callable[[InferenceRequest], InferenceResponse]:
        return lambda request: InferenceResponse(b"first,", "text/csv", {"X-Part": "1"}, Rest(*parts))

    _, _, headers, body = same_for_both(invocation(), answer)
    assert body == b"first," + b"".join(parts)
    assert headers["x-accel-buffering"] == "no"
    assert headers["transfer-encoding"] == "chunked"


def test_a_stream_that_breaks_is_not_brought_to_an_end() -> None:
    rest = Rest(b"second,", ConnectionResetError("broken"), b"never")
    worker = worker_of(CooperativeWorker, Service(lambda request: InferenceResponse(b"first,", "text/csv", {}, rest)))
    data = exchanged(worker, invocation(), half_closed=False)
    assert data.endswith(b"\r\n6\r\nfirst,\r\n7\r\nsecond,\r\n")
    assert rest.closed == 1


def test_a_caller_who_goes_in_the_middle_of_a_stream_ends_it() -> None:
    rest = Rest(*[b"x" * 1_000_000] * 100)
    worker = worker_of(CooperativeWorker, Service(lambda request: InferenceResponse(b"first,", "text/csv", {}, rest)))
    ours, theirs = socket.socketpair()
    handler = gevent.spawn(worker.handle, theirs, theirs, ("", 0))
    ours.sendall(invocation())
    assert ours.recv(10) == b"HTTP/1.1 2"
    ours.close()
    handler.get(timeout=PATIENCE)
    assert (rest.ended, rest.closed) == ("abandoned", 1)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /ping HTTP/1.1\r\nHost: model\r\n\r\n",
        b"GET /execution-parameters HTTP/1.1\r\nHost: model\r\n\r\n",
        b"PUT /invocations HTTP/1.1\r\nHost: model\r\nContent-Length: 1\r\n\r\n1",
        b"POST /invocations?a=1 HTTP/1.1\r\nHost: model\r\nContent-Length: 1\r\n\r\n1",
        b"POST /invocations/ HTTP/1.1\r\nHost: model\r\nContent-Length: 1\r\n\r\n1",
        b"POST //invocations HTTP/1.1\r\nHost: model\r\nContent-Length: 1\r\n\r\n1",
        b"POST /invocations HTTP/1.0\r\nHost: model\r\nContent-Length: 1\r\n\r\n1",
        b"POST http://model/invocations HTTP/1.1\r\nHost: model\r\nContent-Length: 1\r\n\r\n1",
        b"POST /invocations HTTP/1.1\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nHost: model\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nHost: model\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n1,2\r\n0\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Length: 3\r\nConnection: close\r\n\r\n1,2",
        b"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Length: 3\r\nX_Model: 1\r\n\r\n1,2",
        b"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Length: 3\r\nAccept: a\r\nAccept: b\r\n\r\n1,2",
        b"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Length: 3\r\nX-Empty: \xff\r\n\r\n1,2",
    ],
    ids=lambda data: data.split(b"\r\n\r\n")[0].decode("latin-1").replace("\r\n", " ")[:70],
)
def test_what_is_not_plain_is_answered_as_gunicorn_and_flask_do(data: bytes) -> None:
    same_for_both(data.replace(b"\r\n", b"\r\nX-Request-Id: id-1\r\n", 1))


@pytest.mark.parametrize(
    "data",
    [
        invocation(b"1", "Content-Length: 1"),
        invocation(b"1", "Transfer-Encoding: chunked"),
        invocation(b"1", "Expect: 100-continue"),
        invocation(b"1", "Upgrade: h2c"),
        invocation(b"1", "Connection: keep-alive"),
        invocation(b"1", "Content-Type: "),
        invocation(b"1", " folded: 1"),
        invocation(b"1", "Accept : text/csv"),
        invocation(b"1", "Accept: a\0b"),
        invocation(b"1", "Accept: a\nContent-Length: 2"),
        invocation(b"1", "Accept: a\rb"),
        invocation(b"1", "no colon"),
        invocation(b"1", "X_Model: 1"),
        invocation(b"1", "Caf\u00e9: 1"),
        invocation(b"1").replace(b"Content-Length: 1", b"Content-Length: +1"),
        invocation(b"1").replace(b"Content-Length: 1", b"Content-Length: 1, 1"),
        invocation(b"1").replace(b"Content-Length: 1", b"Content-Length: 0x1"),
        invocation(b"1").replace(b"Content-Length: 1", b"Content-Length: " + b"0" * 5000 + b"1"),
        invocation(b"1").replace(b"Content-Length: 1", b"Content-Length: \xb2"),
        invocation(b"1").replace(b"\r\n", b"\n"),
        invocation(b"1").replace(b"POST", b"post"),
        invocation(b"1").replace(b"HTTP/1.1", b"HTTP/1.2"),
        invocation(b"1").replace(b"POST ", b"POST\t"),
        invocation(bytes(LIMIT + 1)),
        b"\r\n" + invocation(b"1"),
        b"nothing like HTTP",
        b"\x16\x03\x01 a handshake\r\n\r\n",
    ],
    ids=lambda data: repr(data)[:99],
)
def test_what_is_not_plain_is_left_to_gunicorn_untouched(data: bytes) -> None:
    assert not went_the_hot_way(data)


def test_a_connection_serves_request_after_request() -> None:
    service = Service(echo)
    data = exchanged(worker_of(CooperativeWorker, service), *[invocation(b"%d" % number) for number in range(5)])
    assert [request.body for request in service.requests] == [b"0", b"1", b"2", b"3", b"4"]
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 5


def test_requests_in_one_piece_and_a_request_in_many_pieces_are_the_same() -> None:
    service = Service(echo)
    worker = worker_of(CooperativeWorker, service)
    whole = invocation(b"first") + invocation(b"") + invocation(b"third")
    exchanged(worker, whole)
    exchanged(worker, *[whole[at : at + 7] for at in range(0, len(whole), 7)])
    assert [request.body for request in service.requests] == [b"first", b"", b"third"] * 2


def test_a_large_body_comes_and_goes_whole() -> None:
    service = Service(echo)
    worker = worker_of(CooperativeWorker, service)
    worker.wsgi.extensions["hot_path"] = HotPath(service, None)
    body = random.Random(1).randbytes(3_000_001)
    ours, theirs = socket.socketpair()
    gevent.spawn(worker.handle, theirs, theirs, ("", 0))
    with closing(ours):
        gevent.spawn(ours.sendall, invocation(body))
        answer = HTTPResponse(ours, method="POST")
        answer.begin()
        assert answer.read() == body


def test_after_something_else_the_connection_ends() -> None:
    """A connection that gunicorn kept would serve its next plain requests the slow way too."""
    service = Service(echo)
    other = b"GET /ping HTTP/1.1\r\nHost: model\r\n\r\n"
    data = exchanged(worker_of(CooperativeWorker, service), invocation(b"1"), other, half_closed=False)
    assert [request.body for request in service.requests] == [b"1"]
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert b"Connection: close" in data


def test_a_head_that_comes_in_many_pieces_or_never_ends(access_lines: Callable[[], list[dict[str, Any]]]) -> None:
    service = Service(echo)
    long = [f"X-Header-{number}: {'x' * 16_000}" for number in range(8)]
    exchanged(worker_of(CooperativeWorker, service), invocation(b"1", *long))
    assert [request.body for request in service.requests] == [b"1"]
    endless = b"POST /invocations HTTP/1.1\r\nX: " + b"x" * 2 * MAX_HEAD
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        sending = gevent.spawn(ours.sendall, endless)
        unread = HotPath(service, LIMIT).serve(theirs, lambda: True)
        sending.kill()
    assert MAX_HEAD < len(unread) < 2 * MAX_HEAD
    assert endless.startswith(unread)


def test_blanks_inside_a_header_are_read_in_no_time() -> None:
    """As long as they are, and not as that squared: a stranger may send a hundred thousand."""
    assert read_plain_head(invocation(b"", "X: a" + " " * 100_000 + "b"), None).headers["x"].startswith("a ")


def test_an_idle_connection_keeps_no_body_in_memory() -> None:
    class Body(bytes):
        """Bytes that can be seen to have gone."""

    gone = []

    class Piecewise:
        """A connection whose bodies are seen to go."""

        pieces: ClassVar = [invocation(length=4)[:-4], Body(b"1,2\n")]

        def recv(self, size: int) -> bytes:
            if self.pieces:
                return self.pieces.pop(0)
            gc.collect()
            gone.append(not any(isinstance(value, bytes) and b"1,2\n" in value for value in held_by(hot_path)))
            return b""

        def send(self, data: bytes) -> int:
            return len(data)

    def held_by(frame_of: HotPath) -> list[Any]:
        frame = sys._getframe()
        while frame and frame.f_code is not HotPath.serve.__code__:
            frame = frame.f_back
        return list(frame.f_locals.values())

    hot_path = HotPath(Service(lambda request: InferenceResponse(b"", "text/csv")), LIMIT)
    hot_path.serve(Piecewise(), lambda: True)
    assert gone == [True]


def test_what_a_socket_does_not_take_at_once_is_sent_all_the_same() -> None:
    service = Service(lambda request: InferenceResponse(b"x" * 50_000_000, "text/csv"))
    assert len(exchanged(worker_of(CooperativeWorker, service), invocation())) > 50_000_000


@pytest.mark.parametrize("sent", [invocation(b"1,2\n", length=10), invocation()[:40], b""], ids=len)
def test_a_caller_who_goes_before_the_request_is_whole_costs_the_model_nothing(sent: bytes) -> None:
    service = Service(echo)
    exchanged(worker_of(CooperativeWorker, service), sent)
    assert service.requests == []


def test_a_worker_that_is_to_stop_answers_and_closes() -> None:
    worker = worker_of(CooperativeWorker, Service(echo))
    worker.alive = False
    data = exchanged(worker, invocation(b"1"), half_closed=False)
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in data


@pytest.mark.parametrize("body", [b"", b"1,2\n"])
def test_the_access_line_is_alike(body: bytes, access_lines: Callable[[], list[dict[str, Any]]]) -> None:
    same_for_both(invocation(body))
    hot, plain = access_lines()
    assert hot == plain
    assert (hot["status"], hot["request_bytes"], hot["response_bytes"]) == (200, len(body), len(body))


def test_the_access_line_of_a_stream_is_alike(access_lines: Callable[[], list[dict[str, Any]]]) -> None:
    same_for_both(invocation(), lambda: lambda request: InferenceResponse(b"a", "text/csv", {}, Rest(b"b", b"c")))
    hot, plain = access_lines()
    assert hot == plain
    assert (hot["streamed"], hot["ended"]) == (True, "whole")


def test_a_caller_who_has_gone_before_the_answer_is_in_the_log(
    access_lines: Callable[[], list[dict[str, Any]]],
) -> None:
    ours, theirs = socket.socketpair()

    def answer(request: InferenceRequest) -> InferenceResponse:
        ours.close()
        return InferenceResponse(b"7.5", "text/csv")

    worker = worker_of(CooperativeWorker, Service(answer))
    ours.sendall(invocation())
    worker.handle(theirs, theirs, ("", 0))
    (line,) = access_lines()
    assert (line["status"], line["request_id"]) == (200, "id-1")


def test_a_hook_that_redirects_stderr_does_not_get_the_access_lines(
    access_lines: Callable[[], list[dict[str, Any]]],
) -> None:
    def answer(request: InferenceRequest) -> InferenceResponse:
        sys.stderr = io.StringIO()
        return InferenceResponse(b"", "text/csv")

    before = sys.stderr
    try:
        exchanged(worker_of(CooperativeWorker, Service(answer)), invocation())
    finally:
        sys.stderr = before
    assert len(access_lines()) == 1
