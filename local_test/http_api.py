"""
An HTTP API of API Gateway, as far as a Lambda function and a page can tell: events, CORS, throttling, limits.

AWS's documents say how it is: "Create AWS Lambda proxy integrations for HTTP APIs" (payload version 2.0), "Configure
CORS for HTTP APIs", "Throttle requests to your HTTP APIs", and the quotas of HTTP APIs.
"""

import base64
import json
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, request

from deploy.api.settings import ROUTE, Api
from deploy.api.template import cors

LARGEST = 10 << 20  # bytes of a request
SECONDS = 30  # that the function may take
TEXTUAL = ("application/json", "application/javascript", "application/xml")
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

Event = Mapping[str, Any]
Function = Callable[[Event], Any]


class Throttle:
    """A bucket of tokens: *rate* come in each second, at most *burst* lie in it, a request takes one."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic):
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._then = float(burst), clock()
        self._lock = threading.Lock()

    def takes(self) -> bool:
        """Tell whether one more request is let through."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._burst, self._tokens + (now - self._then) * self._rate)
            self._then = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


def create_app(
    api: Api,
    function: Function,
    say: Callable[[str], object],
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Flask:
    """Return the API as an application; *function* is what the route calls."""
    app, throttle = Flask(__name__, static_folder=None), Throttle(api.requests_per_second, api.burst, clock)
    slots = threading.BoundedSemaphore(api.concurrency)

    def call(event: Event) -> Any:
        try:
            return function(event)
        finally:
            slots.release()  # before anybody has the answer, and may ask again

    def answer(path: str) -> Response:
        if request.method == "OPTIONS":
            return preflight(api)
        if f"{request.method} /{path}" != ROUTE:
            return refused(404, "Not Found")
        if not throttle.takes():
            return refused(429, "Too Many Requests")
        if (request.content_length or 0) > LARGEST:
            return refused(413, "Request Entity Too Large")
        event = event_of(request.get_data())
        if not slots.acquire(blocking=False):  # Lambda has no queue
            return with_cors(api, refused(503, "Service Unavailable"))
        return with_cors(api, integrated(in_background(call, event), say, seconds))

    for rule, defaults in (("/", {"path": ""}), ("/<path:path>", {})):
        app.add_url_rule(rule, rule, answer, methods=METHODS, defaults=defaults, provide_automatic_options=False)
    return app


def in_background(call: Function, event: Event) -> "Future[Any]":
    """Call the function in a thread of its own, for which the program's end does not wait."""
    answer: Future[Any] = Future()

    def run() -> None:
        try:
            answer.set_result(call(event))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return answer


def integrated(answer: "Future[Any]", say: Callable[[str], object], seconds: float) -> Response:
    """Return what the function answers; without its words, if it raises or is too late."""
    try:
        return response_of(answer.result(seconds))
    except TimeoutError:
        return refused(503, "Service Unavailable")
    except Exception as error:
        say("".join(traceback.format_exception(error)))
        return refused(500, "Internal Server Error")


def refused(status: int, message: str) -> Response:
    """Return an answer of the API's own, on which there are no CORS headers."""
    return Response(json.dumps({"message": message}), status, content_type="application/json")


def event_of(body: bytes) -> Event:
    """Return Flask's current request as the event that the function gets."""
    now, textual = datetime.now(UTC), is_textual(request.mimetype)
    http = {
        "method": request.method,
        "path": request.path,
        "protocol": request.environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
        "sourceIp": request.remote_addr or "",
        "userAgent": request.headers.get("User-Agent", ""),
    }
    context = {
        "accountId": "000000000000",
        "apiId": "local",
        "domainName": request.host,
        "http": http,
        "requestId": uuid.uuid4().hex[:16],
        "routeKey": ROUTE,
        "stage": "$default",
        "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now.timestamp() * 1000),
    }
    sent = {"body": body.decode(errors="replace") if textual else base64.b64encode(body).decode()} if body else {}
    return {
        "version": "2.0",
        "routeKey": ROUTE,
        "rawPath": request.path,
        "rawQueryString": request.query_string.decode(),
        "headers": {name.lower(): value for name, value in request.headers},
        "requestContext": context,
        **sent,
        "isBase64Encoded": bool(body) and not textual,
    }


def is_textual(media_type: str) -> bool:
    """Tell whether a body of this type reaches the function as text; every other comes in base64."""
    return media_type.startswith("text/") or media_type in TEXTUAL or media_type.endswith(("+json", "+xml"))


def response_of(answer: Any) -> Response:
    """Return the function's answer; what has no status is a body of JSON."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(json.dumps(answer), 200, content_type="application/json")
    body = answer.get("body", "")
    content = base64.b64decode(body) if answer.get("isBase64Encoded") else body
    response = Response(content, answer["statusCode"], content_type="text/plain")
    for name, value in answer.get("headers", {}).items():
        response.headers[name] = str(value)
    return response


def preflight(api: Api) -> Response:
    """Answer what a browser asks before it sends something out of the ordinary."""
    response, setting = with_cors(api, Response(status=204)), cors(api)
    if "Access-Control-Allow-Origin" in response.headers:
        response.headers["Access-Control-Allow-Methods"] = ",".join(setting["AllowMethods"])
        response.headers["Access-Control-Allow-Headers"] = ",".join(setting["AllowHeaders"])
        response.headers["Access-Control-Max-Age"] = str(setting["MaxAge"])
    return response


def with_cors(api: Api, response: Response) -> Response:
    """Return the answer with the API's CORS headers, whatever the function said of them."""
    for name, _ in [*response.headers]:
        if name.lower().startswith("access-control-"):
            del response.headers[name]
    if request.headers.get("Origin") in cors(api)["AllowOrigins"]:
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = ",".join(cors(api)["ExposeHeaders"])
        response.headers["Vary"] = "Origin"
    return response
