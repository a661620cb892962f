"""Mutants whose errors say too much, or the wrong thing."""

import select
import traceback

from werkzeug.exceptions import BadRequest

from mutants.reference import Reference
from mutants.registry import breaks


@breaks("1.42")
class AnswersTracebacks(Reference):
    def refuse(self, error, request):
        return self.json({"error": traceback.format_exc()}, error.code)


@breaks("1.42")
class RepeatsTheInput(Reference):
    def undecodable(self, body):
        return BadRequest(f"Not numbers: {body[:200]!r}")


@breaks("1.43", "--limit=recovery_seconds=3")
class KeepsTheSlotOfWhoeverLeaves(Reference):
    def transform(self, request, body):
        response = super().transform(request, body)
        if has_left(request):
            self.model_lock.acquire()
        return response

    def stop(self, server):
        server.stop(timeout=4)  # for those who wait in vain


def has_left(request):
    hung_up = select.poll()
    hung_up.register(request.environ["wsgi.input"].rfile.fileno(), select.POLLRDHUP)
    return bool(hung_up.poll(0))


@breaks("1.46")
class BlamesItselfForForeignBytes(Reference):
    def decode(self, body, content_type):
        body.decode()  # nobody catches what this raises
        return super().decode(body, content_type)


@breaks("1.46")
class CallsAnErrorASuccess(Reference):
    def refuse(self, error, request):
        return self.json({"error": error.description}, 200 if error.code == 400 else error.code)


@breaks("1.46")
class AnswersGet(Reference):
    def wrong_method(self, request):
        return self.json({"hello": "world"})
