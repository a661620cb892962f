"""The Flask application: it translates between HTTP and the model service, and does nothing else."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from typing import Any, Protocol

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from serving.access import log_access, log_stream_access
from serving.connections import has_gone
from serving.counts import request_begins
from serving.errors import NotReady, PayloadTooLarge, error_body
from serving.inference import InferenceRequest, InferenceResponse, Timing
from serving.refusals import JSON, refusal_of

REFUSALS = {
    404: "There is nothing at this path; there are /ping, /invocations, /execution-parameters and /metrics.",
    405: "This method is not for this path; /invocations takes POST and PUT, /ping GET and POST, /execution-parameters "
    "and /metrics GET.",
}
UNBUFFERED = {"X-Accel-Buffering": "no"}  # for nginx: each part goes out when it is there

Metrics = Callable[[], tuple[bytes, str]]


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


def create_app(service: Service, max_body_bytes: int | None, metrics: Metrics = lambda: (b"", "text/plain")) -> Flask:
    """Return the application with its routes; *metrics* returns the text of `/metrics` and its type."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    app.extensions["model_service"] = service

    @app.route("/ping", methods=["GET", "POST"], provide_automatic_options=False)
    def ping() -> Response:
        """Say whether this process can predict; behind nginx the supervisor's verdict answers instead."""
        if not service.ready:
            raise NotReady("The model is not loaded in this process.")
        return Response(status=200)

    @app.route("/invocations", methods=["POST", "PUT"], provide_automatic_options=False)
    def invocations() -> Response:
        """Answer with the model's prediction."""
        return response_of(service.answer(inference_request()))

    @app.route("/execution-parameters", methods=["GET"], provide_automatic_options=False)
    def execution_parameters() -> Response:
        """Tell a batch transform job how many requests to send at once, and how large ones."""
        return Response(json.dumps(service.execution_parameters), content_type=JSON)

    @app.route("/metrics", methods=["GET"], provide_automatic_options=False)
    def exposition() -> Response:
        """Tell what was counted, in all workers."""
        text, content_type = metrics()
        return Response(text, content_type=content_type)

    for rule in app.url_map.iter_rules("exposition"):
        rule.methods = {"GET"}  # Flask adds HEAD

    app.before_request(begin)
    app.after_request(finish)
    app.register_error_handler(HTTPException, refuse_http)
    app.register_error_handler(Exception, refuse)
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
        timing=g.timing,
        has_gone=partial(has_gone, request.environ.get("gunicorn.socket")),
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
    g.timing = Timing()
    g.code = None
    request_begins(request.path)


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
            **({"code": g.code} if g.code else {}),
        }
        if g.stream is None:
            log_access(line, g.began, g.timing)
        else:
            response.call_on_close(partial(log_stream_access, g.stream, line, g.began, g.timing))
    return response


def refuse(error: Exception) -> Response:
    """Answer an error with its own status, and one that is none of ours with 500."""
    refusal = refusal_of(error, g.request_id)
    g.code = refusal.code
    return Response(refusal.body, status=refusal.status, headers=dict(refusal.headers), content_type=JSON)


def refuse_http(error: HTTPException) -> Response:
    """Answer what Flask itself refuses (404, 405, 413) in the same form as everything else."""
    status = error.code or 500
    code = PayloadTooLarge.code if status == PayloadTooLarge.status else error.name.lower().replace(" ", "_")
    response = error_response(status, code, REFUSALS.get(status, str(error.description)))
    if allowed := getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(allowed)
    return response


def error_response(status: int, code: str, message: str) -> Response:
    """Return an error in JSON."""
    g.code = code
    return Response(error_body(code, message, g.request_id), status=status, content_type=JSON)
