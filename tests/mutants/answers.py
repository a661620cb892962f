"""Mutants that answer wrongly on an endpoint: each would be seen from outside, by requests alone."""

import time

import gevent
from gevent.pywsgi import WSGIHandler
from werkzeug.exceptions import BadRequest, GatewayTimeout, NotAcceptable, RequestHeaderFieldsTooLarge
from werkzeug.http import parse_options_header
from werkzeug.wrappers import Response

from mutants import errors, jobs, streams  # noqa: F401 - they register more of them
from mutants.further import sample
from mutants.handler import JSON
from mutants.reference import Reference
from mutants.registry import breaks


class NapsAfterSilence(WSGIHandler):
    def read_requestline(self):
        line = super().read_requestline()
        if not line:
            time.sleep(0.1)  # gevent's own would let others in
        return line


@breaks("1.16", "--limit=ping_seconds=20")  # a ping may have to knock again, too
class NapsBetweenAccepts(Reference):
    backlog = 1
    protocol = NapsAfterSilence


@breaks("1.20")
class PingsByGetOnly(Reference):
    def ping(self, request):
        return super().ping(request) if request.method == "GET" else self.wrong_method(request)


@breaks("1.21")
class PingSaysPong(Reference):
    def ping(self, request):
        return Response("pong", status=super().ping(request).status)


@breaks("1.22", "--limit=ping_seconds=0.4")
class PingWaitsForTheModel(Reference):
    model_seconds = 0.06

    def ping(self, request):
        with self.model_lock:
            gevent.sleep(0)
        return super().ping(request)


@breaks("1.30")
class FailsOnGoodInput(Reference):
    def predict(self, rows):
        raise RuntimeError("the model is out of order")


@breaks("1.31")
class TakesFiveMegabytes(Reference):
    def body_limit(self):
        return super().body_limit() if self.is_batch() else 5 << 20


@breaks("1.32", sample("slow"))
class CutsAfterASecond(Reference):
    def obey(self, request, order):
        with gevent.Timeout(1, GatewayTimeout("It took too long.")):
            return super().obey(request, order)


@breaks("1.33")
class RefusesUnknownHeaders(Reference):
    def check_headers(self, request):
        for name, _ in request.headers:
            if name.startswith("X-Amzn-") and not name.startswith("X-Amzn-Sagemaker-"):
                raise BadRequest("There is a header that I do not know.")


@breaks("1.34")
class RefusesLongHeaders(Reference):
    def check_headers(self, request):
        if any(len(value) > 512 for _, value in request.headers):
            raise RequestHeaderFieldsTooLarge("A header is too long.")


@breaks("1.35")
class TakesCapitalsForAnotherType(Reference):
    def content_type(self, request):
        return parse_options_header(request.headers.get("Content-Type"))[0] or JSON


@breaks("3.33")
class TakesParametersForAnotherType(Reference):
    def content_type(self, request):
        return request.headers.get("Content-Type", JSON).lower()


@breaks("1.35")
class FailsOnAnUnknownType(Reference):
    def unknown_type(self):
        return KeyError("application/x-unheard-of")


@breaks("1.36")
class TakesNoListOfTypes(Reference):
    def accept(self, request):
        if "," in request.headers.get("Accept", ""):
            raise NotAcceptable("One type at a time.")
        return super().accept(request)


@breaks("1.37")
class CallsEverythingHtml(Reference):
    def finish(self, request, response):
        response.content_type = "text/html"
        return super().finish(request, response)


@breaks("1.38")
class AnswersWithLongAttributes(Reference):
    def finish(self, request, response):
        response.headers["X-Amzn-SageMaker-Custom-Attributes"] = "a" * 2000
        return response


@breaks("1.39", sample("session"))
class OpensSessionsForEver(Reference):
    def new_session(self):
        response = super().new_session()
        response.headers["X-Amzn-SageMaker-Session-Id"] = "a-session"
        return response


@breaks("1.41")
class FailsOnMetrics(Reference):
    def other(self, request):
        if request.path == "/metrics":
            raise RuntimeError("there is no registry")
        return super().other(request)


@breaks("5.08", "--limit=serverless_bytes=1000")
class AnswersAtLength(Reference):
    def lines(self, values):
        return super().lines(values) + "\n" * 2000
