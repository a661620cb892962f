"""The application of the AWS samples: CSV in, CSV out, a class that keeps the model."""

import os
from typing import Any

import model_code
from flask import Flask, Response, request

app = Flask(__name__)
RELOADS = "BENCHMARK_RELOAD" in os.environ


class Keeper:
    """The model, loaded when it is first asked for; or anew each time."""

    model: Any = None

    @classmethod
    def get(cls) -> Any:
        """Return the model."""
        if cls.model is None or RELOADS:
            cls.model = model_code.load()
        return cls.model


@app.route("/ping", methods=["GET"])
def ping() -> Response:
    """Say whether there is a model."""
    return Response("\n", status=200 if Keeper.get() is not None else 404, mimetype="application/json")


@app.route("/invocations", methods=["POST"])
def invocations() -> Response:
    """Answer lines of CSV."""
    if not (request.content_type or "").startswith("text/csv"):
        return Response("This predictor only supports CSV data", status=415, mimetype="text/plain")
    return Response(model_code.predict_csv(Keeper.get(), request.data.decode()), mimetype="text/csv")
