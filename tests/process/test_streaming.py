"""An answer in parts reaches the caller part by part, and its end is one that the caller can believe."""

import json
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import requests

from process_helpers import in_background
from server import until


@pytest.fixture
def gate():
    """A file in the server's own /tmp: what waits for it goes on when another request makes it."""
    return f"/tmp/gate-{uuid.uuid4().hex}"


@pytest.fixture
def server(serve):
    """Two workers: one waits at the gate while the other is told to open it."""
    return serve("streaming", SAGEMAKER_MODEL_SERVER_WORKERS="2")


SECONDS = 14


@pytest.fixture(scope="module", autouse=True)
def long_stream(begin):
    """An answer that takes long, and its server: begun before the first test, so that it passes beside all of them."""
    with closing(begin("streaming", SAGEMAKER_MODEL_SERVER_TIMEOUT="3", SAGEMAKER_MODEL_SERVER_WORKERS="1")) as server:
        server.wait_until_ready()
        (answer,) = in_background(lambda _: server.tell(parts=["part", {"sleep": 1}] * SECONDS), 0)
        yield server, answer


@contextmanager
def streamed(server, *parts, **orders) -> Iterator[requests.Response]:
    """Ask for an answer in these parts, and do not wait for its end."""
    body = json.dumps({"parts": parts, **orders})
    with requests.post(f"{server.url}/invocations", data=body, timeout=60, stream=True) as answer:
        yield answer


def chunks_of(answer):
    """The body's chunks as they were sent."""
    return answer.raw.stream(decode_content=False)


def line_of(server, answer):
    """The access line of a request, once it is written."""
    own = {"message": "request", "request_id": answer.headers["X-Request-Id"]}
    return until(lambda: next((line for line in server.log_lines() if own.items() <= line.items()), None), "the line")


def closings(server):
    """Where the users' generators were closed: in the hub, or in the model's thread."""
    return [line["in_the_hub"] for line in server.log_lines() if line["message"] == "closed"]


def test_each_part_arrives_while_the_model_works_on_the_next(server, gate):
    with streamed(server, "first", {"wait_for": gate}, "second", {"remove": gate}, "third") as answer:
        chunks = chunks_of(answer)
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert answer.headers["Content-Type"] == "text/plain"
        assert next(chunks) == b"first"
        assert server.tell(first={"touch": gate}).status_code == 200
        assert b"".join(chunks) == b"secondthird"
    line = line_of(server, answer)
    assert (line["streamed"], line["ended"], line["response_bytes"]) == (True, "whole", len("firstsecondthird"))
    assert "X-Accel-Buffering" not in answer.headers
    assert closings(server) == [False]


def test_requests_have_their_turn_between_the_parts_of_a_worker_that_streams(serve, gate):
    server = serve("streaming", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    with streamed(server, {"for_ever": "tick\n"}) as answer:
        chunks = chunks_of(answer)
        assert next(chunks)
        assert server.tell().status_code == 200
        assert next(chunks)


def test_a_failure_after_the_first_part_breaks_the_body_and_not_the_worker(server, gate):
    pids = server.worker_pids()
    with streamed(server, "first", {"wait_for": gate}, {"remove": gate}, {"raise": "out of words"}, "never") as answer:
        chunks = chunks_of(answer)
        assert (answer.status_code, next(chunks)) == (200, b"first")
        server.tell(first={"touch": gate})
        with pytest.raises(requests.packages.urllib3.exceptions.ProtocolError):
            list(chunks)
    failure = until(lambda: server.logged("stream broken"), "the failure in the log")
    assert failure["message"] == "stream broken: transform_fn failed (RuntimeError); the log has the details."
    assert failure["request_id"] == answer.headers["X-Request-Id"]
    assert "raise RuntimeError(reason)" in failure["traceback"]
    assert "out of words" not in failure["traceback"]  # it may be an input's
    assert (line_of(server, answer)["ended"], line_of(server, answer)["response_bytes"]) == ("broken", len("first"))
    assert server.tell().status_code == 200
    assert server.worker_pids() == pids
    assert not server.logged("Error handling request")


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ([{"raise": "secret"}, "a"], 500, "model_failed"),
        ([1], 500, "model_failed"),
        (["", {"raise": "secret"}], 500, None),
    ],
)
def test_a_failure_before_the_first_part_is_an_error_in_json(server, parts, status, code):
    with streamed(server, *parts) as answer:
        assert answer.status_code == status
        assert answer.json()["error"]["code"] == (code or "model_failed")
        assert "Transfer-Encoding" not in answer.headers
        assert "secret" not in answer.text
    assert "streamed" not in line_of(server, answer)


def test_a_stream_of_nothing_is_an_empty_answer(server):
    with streamed(server, "", "") as answer:
        assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", "0")


def test_a_caller_who_goes_away_ends_the_generator_and_not_the_worker(server):
    pids = server.worker_pids()
    with streamed(server, {"for_ever": "tick\n"}) as answer:
        assert next(chunks_of(answer))
    until(lambda: closings(server), "the generator's end")
    assert closings(server) == [False]
    assert line_of(server, answer)["ended"] == "abandoned"
    assert {server.tell().status_code for _ in range(4)} == {200}
    assert server.worker_pids() == pids
    assert not [line for line in server.log_lines() if line.get("level") in ("ERROR", "CRITICAL")]


def test_a_worker_that_dies_in_a_stream_breaks_the_body_and_nobody_begins_it_anew(server):
    with streamed(server, "first", {"say": "counted"}, {"kill": True}) as answer:
        with pytest.raises(requests.packages.urllib3.exceptions.ProtocolError):
            list(chunks_of(answer))
        assert answer.status_code == 200
    assert server.tell().status_code == 200
    until(lambda: server.logged("worker gone"), "the worker's end")
    assert server.log_text().count("counted") == 1


def test_a_part_that_is_too_late_breaks_the_body(serve):
    server = serve("streaming", SAGEMAKER_MODEL_SERVER_TIMEOUT="3", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    with (
        streamed(server, "first", {"sleep": 2.2}, "second") as answer,
        pytest.raises(requests.packages.urllib3.exceptions.ProtocolError),
    ):
        list(chunks_of(answer))
    failure = until(lambda: server.logged("stream broken"), "the failure in the log")
    assert failure["message"].startswith("stream broken: The model did not answer within 2 s.")
    until(lambda: closings(server) == [False], "the generator's end")
    assert server.tell().status_code == 200


def test_a_stream_in_flight_is_brought_to_its_end_before_the_server_ends_with_0(server, gate):
    with streamed(server, "first", {"wait_for": gate}, "second", {"remove": gate}) as answer:
        chunks = chunks_of(answer)
        assert next(chunks) == b"first"
        (opening,) = in_background(lambda _: server.tell(first={"say": "begun", "sleep": 2, "touch": gate}), 0)
        until(lambda: "begun" in server.log_text(), "the request that opens the gate")
        server.send(signal.SIGTERM)
        until(lambda: server.logged("draining"), "the drain")
        assert b"".join(chunks) == b"second"
        assert opening.result().status_code == 200
    assert server.exit_status() == 0
    assert line_of(server, answer)["ended"] == "whole"


# -- headers of hooks, through nginx

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
SESSION = "X-Amzn-SageMaker-Session-Id"
CLOSED_SESSION = "X-Amzn-SageMaker-Closed-Session-Id"


def test_headers_of_hooks_reach_the_caller(server):
    headers = {ATTRIBUTES: "x" * 1024, CLOSED_SESSION: "a" * 256, "X-Long": "y" * 6000}
    whole = server.tell(headers=headers)
    assert headers.items() <= whole.headers.items()
    with streamed(server, "first", headers=headers) as answer:
        assert headers.items() <= answer.headers.items()
        assert answer.content == b"first"


def test_a_header_that_cannot_be_sent_is_a_fault_of_the_model(server):
    answer = server.tell(headers={"X-Colour": "red\r\nX-Evil: 1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "model_failed")
    assert "X-Evil" not in answer.headers
    failure = until(lambda: server.logged("The response header 'X-Colour' holds what cannot be sent"), "the log line")
    assert "X-Evil" not in failure["traceback"]  # the hook may have it from an input


def test_a_header_after_the_first_part_comes_too_late(server):
    with (
        streamed(server, "first", {"header": "X-Colour"}) as answer,
        pytest.raises(requests.packages.urllib3.exceptions.ProtocolError),
    ):
        list(chunks_of(answer))
    failure = until(lambda: server.logged("stream broken"), "the failure in the log")
    assert "comes too late: the answer has begun." in failure["message"]


def test_a_session_opens_and_closes(serve):
    server = serve("complete")
    opened = server.invoke('{"requestType": "NEW_SESSION"}', X_Amzn_SageMaker_Session_Id="NEW_SESSION")
    session, separator, expires = opened.headers[SESSION].partition("; Expires=")
    assert (opened.status_code, bool(session), bool(separator)) == (200, True, True)
    time.strptime(expires, "%Y-%m-%dT%H:%M:%SZ")
    closed = server.invoke('{"requestType": "CLOSE"}', X_Amzn_SageMaker_Session_Id=session)
    assert closed.headers[CLOSED_SESSION] == session
    plain = server.invoke("{}", X_Amzn_SageMaker_Custom_Attributes="trace=7")
    assert plain.headers[ATTRIBUTES] == "trace=7"
    assert not {SESSION, CLOSED_SESSION} & set(plain.headers)


def test_a_stream_may_last_longer_than_any_timeout_as_long_as_parts_keep_coming(long_stream):
    """A request has 3 s here; nginx waits for 13 s, and it is a part that it waits for."""
    server, future = long_stream
    answer = future.result()
    assert answer.content == b"part" * SECONDS
    line = line_of(server, answer)
    assert line["ended"] == "whole"
    assert line["milliseconds"] > 13000
