"""
A small server that keeps every clause of SageMaker's contract, made to be broken one clause at a time.

It is not the template's server and shares no code with it, so that the suite is judged by somebody else's work.
Each method is one behaviour; a mutant (`mutants.py`) overrides one. A request is CSV or JSON rows of numbers; the
answer is each row's sum, times the scale in the model folder's `weights.json`.
"""

import csv
import json
import os
import signal
import sys
from pathlib import Path

import gevent
from gevent import socket
from gevent.lock import BoundedSemaphore
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer
from werkzeug.exceptions import BadRequest, HTTPException, NotFound, RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.http import parse_options_header
from werkzeug.wrappers import Request, Response

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
MODEL_SECONDS = 0.02  # a prediction; long enough for callers to queue
LOAD_SECONDS = 0.3
DRAIN_SECONDS = 20
CHUNK = 1 << 16


class Reference:
    """The whole server. `main` is what `serve` runs: a parent that watches one child, which answers."""

    backlog = 512
    workers = 1  # for each CPU that the container may use
    extra_header_limit = 1 << 20

    # -- the parent, PID 1

    def main(self):
        """Start the child, wait for it, and end as it ends."""
        self.refuse_surroundings()
        child = os.fork()
        if child == 0:
            self.serve()
            os._exit(0)
        signal.signal(signal.SIGTERM, lambda number, frame: self.on_sigterm(child))
        return self.watch(child)

    def refuse_surroundings(self):
        """Refuse nothing: any user, host name, terminal and file system will do."""

    def on_sigterm(self, child):
        os.kill(child, signal.SIGTERM)

    def watch(self, child):
        """Reap everything that ends here; end with the child."""
        while True:
            pid, status = os.wait()
            if pid == child:
                return self.end_status(os.waitstatus_to_exitcode(status))

    def end_status(self, child_status):
        return child_status if child_status >= 0 else 128 - child_status

    # -- the child: start and stop

    def serve(self):
        print("starting", flush=True)
        self.weights = None
        self.model_lock = BoundedSemaphore(2)
        # Without a pool of its own, gevent's server would not wait for its requests when it stops.
        server = WSGIServer(self.listen(), self.answer_or_refuse, log=None, error_log=None, spawn=Pool())
        server.start()
        gevent.spawn(self.load)
        stopping = gevent.event.Event()
        gevent.signal_handler(signal.SIGTERM, stopping.set)
        stopping.wait()
        self.stop(server)

    def listen(self):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.host(), self.port()))
        listener.listen(self.backlog)
        return listener

    def host(self):
        return "0.0.0.0"

    def port(self):
        return int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))

    def load(self):
        """Load the model; `/ping` is 503 until then, and for ever without one."""
        gevent.sleep(LOAD_SECONDS)
        folder = Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
        self.weights = json.loads((folder / "weights.json").read_text())

    def stop(self, server):
        server.stop(timeout=DRAIN_SECONDS)

    def is_batch(self):
        return os.environ.get("SAGEMAKER_BATCH", "").lower() == "true"

    # -- requests

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
        rows = self.decode(body, self.content_type(request))
        with self.model_lock:
            gevent.sleep(MODEL_SECONDS)
        return self.encode([self.predict(row) for row in rows], self.accept(request))

    def predict(self, row):
        return sum(row) * self.weights["scale"]

    # -- formats

    def content_type(self, request):
        return parse_options_header(request.headers.get("Content-Type"))[0].lower() or JSON

    def accept(self, request):
        return request.accept_mimetypes.best_match((CSV, JSON, JSON_LINES), CSV)

    def decode(self, body, content_type):
        try:
            if content_type == CSV:
                return [list(map(float, row)) for row in csv.reader(body.decode().splitlines()) if row]
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

