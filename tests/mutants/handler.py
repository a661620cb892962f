"""
What a request to the reference server gets.

A request is CSV or JSON rows of numbers; the answer is each row's sum, times the scale in the model folder's
`weights.json`. A JSON object is an order instead, for what not every model does.
"""

import csv
import json
import sys

import gevent
from werkzeug.exceptions import BadRequest, HTTPException, NotFound, RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.http import parse_options_header
from werkzeug.wrappers import Request, Response

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
CHUNK = 1 << 16


class Handler:
    """The routes and the formats."""

    model_seconds = 0.02  # a prediction; long enough for callers to queue

    @Request.application
    def answer_or_refuse(self, request):
        """Route the request; whatever goes wrong is a short JSON answer."""
        try:
            response = self.route(request)
        except HTTPException as error:
            response = self.refuse(error, request)
        except Exception as error:
            response = self.fail(error, request)
        response.headers["Connection"] = "close"
        return response

    def route(self, request):
        if request.path == "/ping":
            return self.ping(request)
        if request.path == "/invocations":
            return self.invocations(request)
        if request.path == "/execution-parameters":
            return self.execution_parameters()
        return self.other(request)

    def other(self, request):
        raise NotFound("There is nothing at this path.")

    def ping(self, request):
        return Response(status=200 if self.weights else 503)

    def execution_parameters(self):
        return self.json({"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 100})

    def invocations(self, request):
        if request.method != "POST":
            return self.wrong_method(request)
        if not self.weights:
            return self.json({"error": "not ready"}, 503)
        self.check_headers(request)
        body = self.read_body(request)
        answer = self.transform(request, body)
        return self.finish(request, answer)

    def finish(self, request, response):
        """Give back the caller's custom attributes."""
        if attributes := request.headers.get("X-Amzn-SageMaker-Custom-Attributes"):
            response.headers["X-Amzn-SageMaker-Custom-Attributes"] = attributes
        return response

    def wrong_method(self, request):
        return self.json({"error": "POST only"}, 405)

    def check_headers(self, request):
        """Accept all headers."""

    def body_limit(self):
        return (100 if self.is_batch() else 25) * 1024**2 + CHUNK

    def read_body(self, request):
        limit = self.body_limit()
        body = self.stream(request).read(limit + 1)
        if len(body) > limit:
            raise RequestEntityTooLarge("The body is too large.")
        return body

    def stream(self, request):
        return request.environ["wsgi.input"]  # unlike werkzeug's, it reads chunks too

    def transform(self, request, body):
        content_type = self.content_type(request)
        if content_type == JSON and body.startswith(b"{"):
            return self.obey(request, self.order(body))
        return self.encode(self.predict(self.decode(body, content_type)), self.accept(request))

    def predict(self, rows):
        with self.model_lock:
            gevent.sleep(self.model_seconds)
        return [sum(row) * self.weights["scale"] for row in rows]

    # -- orders, for what not every model does

    def order(self, body):
        try:
            return json.loads(body)
        except ValueError:
            raise self.undecodable(body) from None

    def obey(self, request, order):
        if "sleep" in order:
            gevent.sleep(order["sleep"])
        elif "break_after" in order:
            return Response(self.broken_stream(order["break_after"]), content_type=JSON_LINES)
        elif "stream" in order:
            return Response(self.stream_of(order["stream"], order["seconds"]), content_type=JSON_LINES)
        elif order.get("requestType") == "NEW_SESSION":
            return self.new_session()
        else:
            raise self.undecodable(order)
        return self.json({"done": order})

    def stream_of(self, count, seconds):
        for number in range(count):
            if number:
                gevent.sleep(seconds)
            yield json.dumps({"part": number}) + "\n"

    def broken_stream(self, count):
        yield from self.stream_of(count, 0)
        raise RuntimeError("broken, as ordered")

    def new_session(self):
        response = self.json({"session": "opened"})
        response.headers["X-Amzn-SageMaker-Session-Id"] = "a-session; Expires=2099-12-31T23:59:59Z"
        return response

    # -- formats

    def content_type(self, request):
        return parse_options_header(request.headers.get("Content-Type"))[0].lower() or JSON

    def accept(self, request):
        return request.accept_mimetypes.best_match((CSV, JSON, JSON_LINES), CSV)

    def decode(self, body, content_type):
        try:
            if content_type == CSV:
                return [list(map(float, row)) for row in csv.reader(body.decode().split()) if row]
            if content_type == JSON:
                return [list(map(float, row)) for row in json.loads(body)]
        except (ValueError, TypeError):
            raise self.undecodable(body) from None
        raise self.unknown_type()

    def undecodable(self, body):
        return BadRequest("The body cannot be read.")

    def unknown_type(self):
        return UnsupportedMediaType("Send text/csv or application/json.")

    def encode(self, values, accept):
        if accept == JSON:
            return self.json(values)
        return Response(self.lines(values), content_type=accept)

    def lines(self, values):
        return "".join(f"{value}\n" for value in values)

    def json(self, value, status=200):
        return Response(json.dumps(value), status=status, content_type=JSON)

    def refuse(self, error, request):
        return self.json({"error": error.description}, error.code)

    def fail(self, error, request):
        print("failed", type(error).__name__, file=sys.stderr, flush=True)
        return self.json({"error": "The server failed."}, 500)
