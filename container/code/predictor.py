"""The Flask application: it translates between HTTP and the model service, and does nothing else."""

import json
import logging
import time
import uuid
from collections.abc import Mapping
from functools import partial
from itertools import chain
from typing import Any, Protocol

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from serving.errors import NotReady, PayloadTooLarge, RequestError, error_body
from serving.inference import InferenceRequest, InferenceResponse

JSON = "application/json"
REFUSALS = {
    404: "There is nothing at this path; there are /ping, /invocations and /execution-parameters.",
    405: "This method is not for this path; /invocations takes POST, /ping GET and POST, /execution-parameters GET.",
}
UNBUFFERED = {"X-Accel-Buffering": "no"}  # for nginx: each part goes out when it is there

log = logging.getLogger(__name__)


class Service(Protocol):
    """What the routes need of the model service."""

    @property
    def ready(self) -> bool:
        """Tell whether this process has a warm model."""

    def answer(self, request: InferenceRequest) -> InferenceResponse:
        """Return the model's answer, or raise `RequestError`."""

    @property
    def execution_parameters(self) -> Mapping[str, Any]:
        """Return what a batch transform job should know."""


class Stream(Protocol):
    """The rest of a streamed answer, as the access line sees it."""

    @property
    def ended(self) -> str:
        """How it ended: whole, broken or abandoned."""

    @property
    def bytes_sent(self) -> int:
        """How much of it was sent."""

    def close(self) -> None:
        """Let the model's side clean up."""


def create_app(service: Service, max_body_bytes: int | None) -> Flask:
    """Return the application with its routes."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    app.extensions["model_service"] = service

    @app.route("/ping", methods=["GET", "POST"], provide_automatic_options=False)
    def ping() -> Response:
        """Say whether this process can predict; behind nginx the supervisor's verdict answers instead."""
        if not service.ready:
            raise NotReady("The model is not loaded in this process.")
        return Response(status=200)

    @app.route("/invocations", methods=["POST"], provide_automatic_options=False)
    def invocations() -> Response:
        """Answer with the model's prediction."""
        return response_of(service.answer(inference_request()))

    @app.route("/execution-parameters", methods=["GET"], provide_automatic_options=False)
    def execution_parameters() -> Response:
        """Tell a batch transform job how many requests to send at once, and how large ones."""
        return Response(json.dumps(service.execution_parameters), content_type=JSON)

    app.before_request(begin)
    app.after_request(finish)
    app.register_error_handler(RequestError, refuse)
    app.register_error_handler(HTTPException, refuse_http)
    app.register_error_handler(Exception, fail)
    return app


def inference_request() -> InferenceRequest:
    """Return what the model's side needs to know of the HTTP request."""
    return InferenceRequest(
        body=request.get_data(cache=False),
        content_type=request.headers.get("Content-Type"),
        accept=request.headers.get("Accept"),
        content_encoding=request.headers.get("Content-Encoding", "").strip().lower(),
        request_id=g.request_id,
        headers=request.headers,
    )


def response_of(answer: InferenceResponse) -> Response:
    """Return the answer in HTTP; the parts of a streamed one are asked for as they are sent."""
    if answer.rest is None:
        return Response(answer.body, headers=dict(answer.headers), content_type=answer.content_type)
    g.stream = answer.rest
    parts = chain((answer.body,), answer.rest)
    return Response(parts, headers={**answer.headers, **UNBUFFERED}, content_type=answer.content_type)


def begin() -> None:
    """Give the request its id, from nginx or of our own, and start its clock."""
    g.request_id = request.headers.get("X-Request-Id") or uuid.uuid4().hex
    g.began = time.monotonic()
    g.stream = None


def finish(response: Response) -> Response:
    """Return the id to the caller and see to the access line; health checks are not worth one."""
    response.headers["X-Request-Id"] = g.request_id
    if request.path != "/ping":
        line = {
            "request_id": g.request_id,
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "request_bytes": request.content_length,
            "response_bytes": response.content_length,
        }
        if g.stream is None:
            log_access(line, g.began)
        else:
            response.call_on_close(partial(finish_stream, g.stream, line, g.began))
    return response


def finish_stream(stream: Stream, line: dict[str, Any], began: float) -> None:
    """Write the access line of a streamed answer when it has come to an end, be it a good one or not."""
    stream.close()
    log_access({**line, "response_bytes": stream.bytes_sent, "streamed": True, "ended": stream.ended}, began)


def log_access(line: dict[str, Any], began: float) -> None:
    """Write the access line."""
    log.info("request", extra={**line, "milliseconds": round((time.monotonic() - began) * 1000, 2)})


def refuse(error: RequestError) -> Response:
    """Answer with the error's own status; log what the caller is not told."""
    if error.__cause__ is not None:
        log.error(error.message, exc_info=error.__cause__, extra={"request_id": g.request_id})
    return error_response(error.status, error.code, error.message)


def refuse_http(error: HTTPException) -> Response:
    """Answer what Flask itself refuses (404, 405, 413) in the same form as everything else."""
    status = error.code or 500
    code = PayloadTooLarge.code if status == PayloadTooLarge.status else error.name.lower().replace(" ", "_")
    response = error_response(status, code, REFUSALS.get(status, str(error.description)))
    if allowed := getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(allowed)
    return response


def fail(error: Exception) -> Response:
    """Answer 500 for a fault of our own, and log it."""
    log.error("unexpected error", exc_info=error, extra={"request_id": g.request_id})
    return error_response(500, RequestError.code, "The server failed; the log has the details.")


def error_response(status: int, code: str, message: str) -> Response:
    """Return an error in JSON."""
    return Response(error_body(code, message, g.request_id), status=status, content_type=JSON)
