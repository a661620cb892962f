"""The Flask application: it translates between HTTP and the model service, and does nothing else."""

import logging
import time
import uuid
from typing import Protocol

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from serving.errors import NotReady, PayloadTooLarge, RequestError, error_body
from serving.inference import InferenceRequest, InferenceResponse

JSON = "application/json"
REFUSALS = {
    404: "There is nothing at this path; there are /ping and /invocations.",
    405: "This method is not for this path; /invocations takes POST, /ping GET and POST.",
}

log = logging.getLogger(__name__)


class Service(Protocol):
    """What the routes need of the model service."""

    @property
    def ready(self) -> bool:
        """Tell whether this process has a warm model."""

    def answer(self, request: InferenceRequest) -> InferenceResponse:
        """Return the model's answer, or raise `RequestError`."""


def create_app(service: Service, max_body_bytes: int | None) -> Flask:
    """Return the application with its routes: /ping and /invocations."""
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
        answer = service.answer(inference_request())
        return Response(answer.body, content_type=answer.content_type)

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


def begin() -> None:
    """Give the request its id, from nginx or of our own, and start its clock."""
    g.request_id = request.headers.get("X-Request-Id") or uuid.uuid4().hex
    g.began = time.monotonic()


def finish(response: Response) -> Response:
    """Return the id to the caller and write the access line; health checks are not worth one."""
    response.headers["X-Request-Id"] = g.request_id
    if request.path != "/ping":
        line = {
            "request_id": g.request_id,
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "request_bytes": request.content_length,
            "response_bytes": response.content_length,
            "milliseconds": round((time.monotonic() - g.began) * 1000, 2),
        }
        log.info("request", extra=line)
    return response


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
