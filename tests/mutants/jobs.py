"""Mutants that a batch transform job could not work with."""

import os

from werkzeug.wrappers import Response

from mutants.further import THREE_ROWS
from mutants.handler import CSV
from mutants.reference import Reference
from mutants.registry import breaks


@breaks("4.02")
class FailsInLocalMode(Reference):
    def main(self):
        return 1 if os.environ.get("SAGEMAKER_BATCH") == "True" else super().main()


@breaks("4.03")
class PromisesTooMuch(Reference):
    def execution_parameters(self):
        return self.json({"MaxConcurrentTransforms": 64, "MaxPayloadInMB": 100})


@breaks("4.03")
class HasAPageForEveryPath(Reference):
    def execution_parameters(self):
        return Response("<p>Welcome", content_type="text/html")


@breaks("4.04")
class TakesTwentyFiveMegabytesInAJob(Reference):
    def is_batch(self):
        return False


@breaks("4.05")
class GoesByContentLength(Reference):
    def read_body(self, request):
        return self.stream(request).read(request.content_length or 0)


@breaks("4.07")
class LosesTheLastLine(Reference):
    def decode(self, body, content_type):
        whole = body[: body.rfind(b"\n") + 1] if content_type == CSV else body
        return super().decode(whole, content_type)


@breaks("4.07")
class AnswersWhoeverCameLast(Reference):
    def predict(self, rows):
        self.rows = rows
        super().predict(rows)
        return [sum(row) for row in self.rows]


@breaks("4.07", THREE_ROWS)
class AnswersInReverse(Reference):
    def predict(self, rows):
        return super().predict(rows)[::-1]


@breaks("4.11")
class CountsItsAnswers(Reference):
    count = 0

    def predict(self, rows):
        self.count += 1
        return [value + self.count for value in super().predict(rows)]
