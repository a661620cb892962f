"""The answer is known beforehand: the sample's own."""

import os
from pathlib import Path

from flask import Flask, Response, request

app = Flask(__name__)
(EXPECTED,) = sorted((Path(os.environ["BENCHMARK_MODEL"]) / "samples").glob("one_row.expected.*"))
ANSWER = EXPECTED.read_bytes()


@app.route("/ping", methods=["GET"])
def ping() -> Response:
    """Answer nothing."""
    return Response(status=200)


@app.route("/invocations", methods=["POST"])
def invocations() -> Response:
    """Read the body, and answer what is known."""
    request.get_data()
    return Response(ANSWER, mimetype="text/csv")
