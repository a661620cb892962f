"""predictor.py through Flask's test client: HTTP in, HTTP out, with a service that does as it is told."""

import gzip
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from builders import ECHO, load_code, separate_imports
from fakes import Rest
from predictor import create_app
from serving.errors import BadRequest, ModelFailed, NotReady, PayloadTooLarge, RequestError
from serving.inference import InferenceRequest, InferenceResponse

LIMIT = 1000
SECRET = "4111 1111 1111 1111"

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _imports_of_its_own() -> Iterator[None]:
    with separate_imports():
        yield


def echo(request: InferenceRequest) -> InferenceResponse:
    return InferenceResponse(request.body, "text/csv")


class Service:
    """A model service that answers as a function says, and remembers the requests."""

    def __init__(self, answer: Callable[[InferenceRequest], InferenceResponse] = echo, *, ready: bool = True) -> None:
        self.ready = ready
        self.requests: list[InferenceRequest] = []
        self._answer = answer

    execution_parameters: ClassVar = {"MaxConcurrentTransforms": 2, "MaxPayloadInMB": 50}

    def answer(self, request: InferenceRequest) -> InferenceResponse:
        """Return the function's answer."""
        self.requests.append(request)
        return self._answer(request)


def streaming(rest: Rest, **headers: str) -> Service:
    return Service(lambda request: InferenceResponse(b"first,", "text/csv", headers, rest))


def client(service: Service, limit: int | None = LIMIT) -> FlaskClient:
    return create_app(service, max_body_bytes=limit).test_client()


def raising(error: BaseException) -> Service:
    def answer(request: InferenceRequest) -> InferenceResponse:
        raise error

    return Service(answer)


@pytest.fixture
def access_lines(capfd: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """The lines that were written since they were last asked for."""
    log = logging.getLogger("serving.access")
    log.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    log.setLevel(logging.NOTSET)


def error_in(response: TestResponse) -> dict[str, Any]:
    """Return the error of an answer, having checked what all of them have in common."""
    assert response.content_type == "application/json"
    assert len(response.data) <= 1024
    assert list(response.json) == ["error"]
    assert list(response.json["error"]) == ["code", "message", "request_id"]
    assert response.json["error"]["request_id"] == response.headers["X-Request-Id"]
    return response.json["error"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ping_is_200_with_an_empty_body_when_ready(method: str) -> None:
    response = client(Service()).open("/ping", method=method)
    assert (response.status_code, response.data) == (200, b"")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ping_is_503_with_a_reason_when_not(method: str) -> None:
    response = client(Service(ready=False)).open("/ping", method=method)
    assert response.status_code == 503
    assert error_in(response)["code"] == "not_ready"
    assert error_in(response)["message"] == "The model is not loaded in this process."


def test_ping_does_not_ask_the_model() -> None:
    service = Service()
    client(service).get("/ping")
    assert service.requests == []


def test_an_invocation_is_answered_with_body_and_type_as_they_are() -> None:
    every_byte = bytes(range(256))
    response = client(Service()).post("/invocations", data=every_byte)
    assert (response.status_code, response.data, response.content_type) == (200, every_byte, "text/csv")


def test_the_service_gets_the_body_and_the_headers_that_matter() -> None:
    service = Service()
    client(service).post(
        "/invocations",
        data=b"body",
        headers={
            "Content-Type": "Text/CSV; charset=latin-1",
            "Accept": "application/json;q=0.5",
            "Content-Encoding": " GZip ",
            "X-Request-Id": "id-1",
            "X-Amzn-SageMaker-Custom-Attributes": "colour=red",
        },
    )
    request = service.requests[0]
    assert request.body == b"body"
    assert request.content_type == "Text/CSV; charset=latin-1"
    assert request.accept == "application/json;q=0.5"
    assert request.content_encoding == "gzip"
    assert request.request_id == "id-1"
    assert dict(request.headers.items())["X-Amzn-Sagemaker-Custom-Attributes"] == "colour=red"


def test_missing_headers_are_none() -> None:
    service = Service()
    client(service).post("/invocations", data=b"body")
    request = service.requests[0]
    assert (request.content_type, request.accept, request.content_encoding) == (None, None, "")


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_form_is_a_body_like_any_other(content_type: str) -> None:
    """curl --data says it sends one."""
    response = client(Service()).post("/invocations", data=b"a=1&b=2", content_type=content_type)
    assert response.data == b"a=1&b=2"


@pytest.mark.parametrize("path", ["/ping", "/invocations", "/nowhere"])
def test_the_request_id_is_returned(path: str) -> None:
    response = client(Service()).post(path, headers={"X-Request-Id": "id-1"})
    assert response.headers["X-Request-Id"] == "id-1"


def test_a_request_without_an_id_gets_one_of_its_own() -> None:
    service = Service()
    ids = {client(service).post("/invocations").headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3
    assert ids == {request.request_id for request in service.requests}


def test_an_unknown_path_is_404() -> None:
    response = client(Service()).get("/nowhere")
    assert response.status_code == 404
    assert error_in(response)["code"] == "not_found"


def test_an_invocation_may_be_put_as_well_as_posted() -> None:
    service = Service()
    answers = [client(service).open("/invocations", method=method, data=b"1,2").data for method in ("POST", "PUT")]
    assert answers[0] == answers[1]
    assert [request.body for request in service.requests] == [b"1,2", b"1,2"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_another_method_is_405_and_says_which_are_allowed(method: str) -> None:
    response = client(Service()).open("/invocations", method=method)
    assert response.status_code == 405
    assert error_in(response)["code"] == "method_not_allowed"
    assert "POST" in response.headers["Allow"]


def test_a_body_of_exactly_the_limit_passes() -> None:
    assert client(Service()).post("/invocations", data=bytes(LIMIT)).status_code == 200


def test_a_body_over_the_limit_is_413() -> None:
    service = Service()
    response = client(service).post("/invocations", data=bytes(LIMIT + 1))
    assert response.status_code == 413
    error_in(response)
    assert service.requests == []


def test_a_chunked_body_over_the_limit_is_413() -> None:
    stream, environ = io.BytesIO(bytes(LIMIT + 1)), {"wsgi.input_terminated": True}
    response = client(Service()).post("/invocations", input_stream=stream, environ_overrides=environ)
    assert response.status_code == 413
    error_in(response)


def test_a_chunked_body_is_read_to_its_end() -> None:
    stream, environ = io.BytesIO(b"1,2\n" * 200), {"wsgi.input_terminated": True}
    response = client(Service()).post("/invocations", input_stream=stream, environ_overrides=environ)
    assert response.data == b"1,2\n" * 200


def test_too_large_has_one_code_whoever_finds_out() -> None:
    """By Content-Length here, after decompression in the model, and in nginx."""
    response = client(Service()).post("/invocations", data=bytes(LIMIT + 1))
    assert error_in(response)["code"] == PayloadTooLarge.code


def test_without_a_limit_any_body_passes() -> None:
    assert client(Service(), limit=None).post("/invocations", data=bytes(5_000_000)).status_code == 200


@pytest.mark.parametrize(
    "error", [BadRequest("Row 1 is not a text."), ModelFailed("It failed."), NotReady("Not yet."), RequestError("No.")]
)
def test_a_refusal_is_answered_with_its_own_status_code_and_message(error: RequestError) -> None:
    response = client(raising(error)).post("/invocations")
    found = error_in(response)
    assert (response.status_code, found["code"], found["message"]) == (error.status, error.code, error.message)


def test_an_unexpected_exception_is_500_and_tells_the_caller_nothing() -> None:
    response = client(raising(RuntimeError(SECRET))).post("/invocations", data=SECRET)
    assert response.status_code == 500
    assert error_in(response)["code"] == "internal_error"
    assert error_in(response)["message"] == "The server failed; the log has the details."
    for hint in (b"Traceback", b"RuntimeError", b".py", SECRET.encode()):
        assert hint not in response.data


def test_the_log_has_what_the_caller_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    failure = ModelFailed("The model failed.")
    failure.__cause__ = RuntimeError("the reason")
    client(raising(failure)).post("/invocations", headers={"X-Request-Id": "id-1"})
    record = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert record.__dict__["request_id"] == "id-1"
    assert "the reason" in str(record.exc_info)


def test_a_refusal_without_a_cause_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    client(raising(BadRequest("Row 1 is not a text."))).post("/invocations")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_request_is_one_line_in_the_log_and_a_ping_is_none(access_lines: Lines) -> None:
    app = client(Service())
    app.get("/ping")
    app.post("/invocations", data=SECRET, headers={"X-Request-Id": "id-1"})
    (line,) = access_lines()
    assert (line["request_id"], line["method"], line["path"], line["status"]) == ("id-1", "POST", "/invocations", 200)
    assert (line["request_bytes"], line["response_bytes"]) == (len(SECRET), len(SECRET))
    assert SECRET not in str(line)


@pytest.mark.parametrize("message", ["x" * 5000, "é" * 5000])
def test_a_long_message_is_cut_to_1_kb(message: str) -> None:
    error_in(client(raising(BadRequest(message))).post("/invocations"))


def test_a_response_with_an_error_status_from_a_hook_is_no_success(tmp_path: Path) -> None:
    hook = 'def output_fn(prediction, accept):\n    return Response("no", status=422, mimetype="text/plain")\n'
    model = load_code(tmp_path, f"from flask import Response\n{ECHO}\n{hook}")
    response = client(Service(model.transform)).post("/invocations", data="[[1]]")
    assert response.status_code == 422


def test_a_compressed_invocation_goes_all_the_way(tmp_path: Path) -> None:
    model = load_code(tmp_path, ECHO)
    response = client(Service(model.transform)).post(
        "/invocations", data=gzip.compress(b"1,2\n"), headers={"Content-Encoding": "GZIP", "Content-Type": "text/csv"}
    )
    assert (response.status_code, response.data) == (200, b"[[1.0, 2.0]]")


# -- headers of hooks


def test_headers_of_the_answer_are_passed_on() -> None:
    service = Service(lambda request: InferenceResponse(b"", "text/csv", {"X-Amzn-SageMaker-Custom-Attributes": "a=1"}))
    response = client(service).post("/invocations")
    assert response.headers["X-Amzn-SageMaker-Custom-Attributes"] == "a=1"
    assert "X-Accel-Buffering" not in response.headers


def test_an_error_has_none_of_the_headers_that_were_set_before_it(tmp_path: Path) -> None:
    hook = "def predict_fn(data, model, context):\n    context.set_response_header(0, 'X-Colour', 'red')\n    1 / 0\n"
    model = load_code(tmp_path, f"{ECHO}\n{hook}")
    response = client(Service(model.transform)).post("/invocations", data="[[1]]")
    assert response.status_code == 500
    assert "X-Colour" not in response.headers


# -- streams


def test_a_streamed_answer_is_sent_in_its_parts_and_nginx_is_told_to_hold_none_back() -> None:
    response = client(streaming(Rest(b"second,", b"third"), Colour="red")).post("/invocations")
    assert list(response.iter_encoded()) == [b"first,", b"second,", b"third"]
    assert (response.status_code, response.content_type, response.content_length) == (200, "text/csv", None)
    assert (response.headers["X-Accel-Buffering"], response.headers["Colour"]) == ("no", "red")
    assert response.headers["X-Request-Id"]


def test_the_line_of_a_streamed_answer_is_written_at_its_end(access_lines: Lines) -> None:
    rest = Rest(b"second,", b"third")
    response = client(streaming(rest)).post("/invocations", data=b"body", headers={"X-Request-Id": "id-1"})
    assert access_lines() == []
    assert response.data == b"first,second,third"
    response.close()
    (line,) = access_lines()
    assert (line["request_id"], line["path"], line["status"], line["request_bytes"]) == ("id-1", "/invocations", 200, 4)
    assert (line["streamed"], line["ended"], line["response_bytes"]) == (True, "whole", 12)
    assert line["milliseconds"] >= 0
    assert rest.closed == 1


def test_a_caller_who_goes_away_leaves_a_line_and_a_closed_stream(access_lines: Lines) -> None:
    rest = Rest(b"second,", b"third")
    response = client(streaming(rest)).post("/invocations")
    response.close()
    (line,) = access_lines()
    assert (line["streamed"], line["ended"]) == (True, "abandoned")
    assert (rest.closed, len(rest.parts)) == (1, 2)


def test_a_stream_that_breaks_is_not_brought_to_an_end(access_lines: Lines) -> None:
    rest = Rest(b"second,", ConnectionResetError("broken"))
    response = client(streaming(rest)).post("/invocations")
    with pytest.raises(ConnectionResetError):
        list(response.iter_encoded())
    response.close()
    (line,) = access_lines()
    assert (line["ended"], line["status"], rest.closed) == ("broken", 200, 1)


def test_the_line_of_an_answer_that_does_not_stream_says_nothing_of_streams(access_lines: Lines) -> None:
    client(Service()).post("/invocations", data=b"body")
    (line,) = access_lines()
    assert not {"streamed", "ended"} & set(line)


# -- for batch transform


def test_execution_parameters_are_the_services() -> None:
    response = client(Service()).get("/execution-parameters")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.json == {"MaxConcurrentTransforms": 2, "MaxPayloadInMB": 50}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_execution_parameters_take_no_other_method(method: str) -> None:
    response = client(Service()).open("/execution-parameters", method=method)
    assert response.status_code == 405
    assert error_in(response)["message"] == (
        "This method is not for this path; /invocations takes POST and PUT, /ping GET and POST, /execution-parameters "
        "and /metrics GET."
    )
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}


def test_an_unknown_path_is_told_which_ones_there_are() -> None:
    message = error_in(client(Service()).get("/nowhere"))["message"]
    there_are = "/ping, /invocations, /execution-parameters and /metrics"
    assert message == f"There is nothing at this path; there are {there_are}."
