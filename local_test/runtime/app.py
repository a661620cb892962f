"""The Flask application: it translates between the runtime API's HTTP and invocations, and does nothing else."""

import json
import time
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from io import BufferedReader, RawIOBase
from typing import Any, cast

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from runtime import event_stream, streaming
from runtime.asynchronous import AsyncInvocations
from runtime.endpoints import Endpoint
from runtime.errors import ServiceError, TooLarge, UnknownOperation, ValidationError, Words
from runtime.headers import PREFIX, region_of, to_caller, to_container
from runtime.invocation import Invocation, Readiness, Request
from runtime.limits import MB, Limits, exceeds
from runtime.upstream import Answer, Deadline

JSON = "application/json"
CONSOLE = ". See https"  # the log leaves out the pointer to another log
PATHS = "invocations, invocations-response-stream and async-invocations below /endpoints/NAME/, with POST"


@dataclass(frozen=True)
class Runtime:
    """What the application serves; *say* takes a line for the log."""

    endpoints: Mapping[str, Endpoint]
    limits: Limits
    say: Callable[[str], None]
    asynchronous: AsyncInvocations | None = None
    readiness: Readiness = field(default_factory=Readiness)

    def invocation(self, name: str, seconds: float) -> Invocation:
        """Return an invocation that begins now; raise `ServiceError` if the endpoint is not there, or not ready."""
        words = Words(name, region_of(request.headers.get("Authorization") or ""))
        if name not in self.endpoints:
            raise words.not_found()
        if self.limits.waits_for_ping:
            self.readiness.require(self.endpoints[name], words)
        return Invocation(self.endpoints[name], self.limits, Deadline(seconds), words)


def create_app(runtime: Runtime) -> Flask:
    """Return the application with its three operations."""
    app = Flask(__name__, static_folder=None)
    routes = {
        "invocations": invoke_endpoint,
        "invocations-response-stream": invoke_endpoint_with_response_stream,
        "async-invocations": invoke_endpoint_async,
    }
    for path, view in routes.items():
        rule = f"/endpoints/<name>/{path}"
        bound = partial(view, runtime)
        app.add_url_rule(rule, path, bound, methods=["POST"], provide_automatic_options=False)
    app.before_request(begin)
    app.after_request(partial(finish, runtime.say))
    app.register_error_handler(ServiceError, refuse)
    app.register_error_handler(HTTPException, refuse_http)
    app.register_error_handler(Exception, partial(fail, runtime.say))
    return app


def invoke_endpoint(runtime: Runtime, name: str) -> Response:
    """InvokeEndpoint: the whole answer at once."""
    invocation = runtime.invocation(name, runtime.limits.seconds)
    body = body_within(runtime.limits)
    with closing(invocation.open(Request(body, len(body), to_container(request.headers)))) as answer:
        answered = invocation.read(invocation.last, answer)
    limit = runtime.limits.answer_bytes
    if exceeds(len(answered), limit):
        raise invocation.words.answer_too_large(invocation.last.name, (limit or 0) // MB)
    return reply(answered, answer, answer.headers.get("Content-Type"))


def invoke_endpoint_with_response_stream(runtime: Runtime, name: str) -> Response:
    """InvokeEndpointWithResponseStream: the answer's parts as events, when they arrive."""
    invocation = runtime.invocation(name, runtime.limits.stream_seconds)
    body = body_within(runtime.limits)
    headers = to_container(request.headers, accept=PREFIX + "Accept")
    answer = invocation.open(Request(body, len(body), headers))
    events = streaming.events(answer, request.environ.get("werkzeug.socket"), g.notes.append)
    response = reply(events, answer, event_stream.CONTENT_TYPE)
    if content_type := answer.headers.get("Content-Type"):
        response.headers[PREFIX + "Content-Type"] = content_type
    return response


def invoke_endpoint_async(runtime: Runtime, name: str) -> Response:
    """InvokeEndpointAsync: accepted now, answered in S3."""
    invocation = runtime.invocation(name, runtime.limits.seconds)
    if runtime.asynchronous is None:
        raise ValidationError(
            f"Endpoint {name} is not asynchronous: start the local endpoint with --async-output s3://bucket/prefix."
        )
    limit = runtime.limits.inline_bytes
    body = read_body(limit, ValidationError(f"Body has more than {limit} bytes; put it into S3, as InputLocation."))
    job = runtime.asynchronous.accept(invocation.endpoint, invocation.words, request.headers, body)
    response = Response(json.dumps({"InferenceId": job.inference_id}), 202, content_type=JSON)
    response.headers[PREFIX + "OutputLocation"] = str(job.output)
    if job.failure:
        response.headers[PREFIX + "FailureLocation"] = str(job.failure)
    return response


def reply(body: object, answer: Answer, content_type: str | None) -> Response:
    """Return a good answer, with the headers that the service lets through."""
    response = Response(body, headers=to_caller(answer.headers), content_type=content_type)  # type: ignore[arg-type]
    if content_type is None:
        del response.headers["Content-Type"]  # Flask's, not the container's
    return response


def body_within(limits: Limits) -> bytes:
    """Return the request's body; raise what the service answers to one over the limit."""
    if limits.waits_for_ping:
        refusal: ServiceError = ValidationError(f"Request {g.request_id} has oversize body.")
    else:
        refusal = TooLarge(f"HTTP content length exceeded {limits.request_bytes} bytes.")
    return read_body(limits.request_bytes, refusal)


def read_body(limit: int | None, refusal: ServiceError) -> bytes:
    """Return the request's body; raise *refusal* if it is over the limit, be its length announced or not."""
    if exceeds(request.content_length or 0, limit):
        raise refusal
    body = BufferedReader(cast("RawIOBase", request.stream)).read(-1 if limit is None else limit + 1)
    if exceeds(len(body), limit):
        raise refusal
    return body


def begin() -> None:
    """Give the request an id, start its clock, and make room for what the log should say of it."""
    g.request_id = str(uuid.uuid4())
    g.began = time.monotonic()
    g.notes = []


def finish(say: Callable[[str], None], response: Response) -> Response:
    """Return the id to the caller, and write the access line, of a stream when it has ended."""
    response.headers["x-amzn-RequestId"] = g.request_id
    path, received = request.path.removeprefix("/endpoints/"), request.content_length or 0
    sent = "streamed" if response.is_streamed else f"{response.content_length} B out"
    start, notes, began = f"{path} {response.status_code} {received} B in, {sent}", g.notes, g.began
    if response.is_streamed:
        # Not `call_on_close`: Werkzeug's server forgets that when the caller has reset the connection.
        response.response = followed(response.response, lambda: say(access_line(start, notes, began)))
    else:
        say(access_line(start, notes, began))
    return response


def followed(parts: Iterable[Any], end: Callable[[], None]) -> Iterator[Any]:
    """Yield the parts; call *end* after the last one, or when nobody wants more."""
    try:
        yield from parts
    finally:
        end()


def access_line(start: str, notes: list[str], began: float) -> str:
    """Return the line: what was asked and answered, the time it took, and what went wrong."""
    return "; ".join((f"{start}, {(time.monotonic() - began) * 1000:.0f} ms", *notes))


def refuse(error: ServiceError) -> Response:
    """Answer with the service's error; its cause is for the log alone."""
    g.notes.append(f"{error.kind or error.status}: {error.message.partition(CONSOLE)[0]}")
    if error.__cause__ is not None:
        g.notes.append(f"because {error.__cause__}")
    response = Response(json.dumps(error.body), error.status, content_type=JSON)
    if error.kind:
        response.headers["x-amzn-ErrorType"] = error.kind
    return response


def refuse_http(error: HTTPException) -> Response:
    """Answer what Flask itself refuses: a path or a method that the API does not have."""
    return refuse(UnknownOperation(f"{request.method} {request.path}: {error.name}. There are {PATHS}."))


def fail(say: Callable[[str], None], error: Exception) -> Response:
    """Answer 500 for a fault of our own, and log it."""
    say("".join(traceback.format_exception(error)))
    return refuse(ServiceError("The local endpoint failed; its log has the details."))
