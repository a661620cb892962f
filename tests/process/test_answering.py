"""What a caller gets, over HTTP, for what a caller sends."""

import gzip
import io
import json
import math
import socket
from contextlib import closing
from http.client import HTTPResponse

import numpy as np
import pytest
import requests

from server import MODELS

ROW = "I,0.365,0.295,0.095,0.25,0.1075,0.0545,0.08"
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def abalone(begin):
    """One server for all requests that leave it as it was, as the last test makes sure."""
    with closing(begin(MODELS / "abalone")) as server:
        server.wait_until_ready()
        yield server


def error_of(answer):
    assert answer.headers["Content-Type"] == "application/json"
    assert len(answer.content) <= 1024
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "request_id"}
    return answer.status_code, error["code"]


def test_media_types_are_read_as_http_writes_them(abalone):
    for spelling in ("text/csv; charset=utf-8", "TEXT/CSV", "Text/Csv ;charset=UTF-8"):
        assert abalone.invoke(ROW, spelling).status_code == 200
    assert abalone.invoke(f"[{json.dumps(ROW.split(','))}]", None).status_code == 200  # no Content-Type: JSON


def test_accept_decides_what_is_answered(abalone):
    assert abalone.invoke(ROW, "text/csv", Accept="application/json").json() == pytest.approx([7.258125951673891])
    chosen = abalone.invoke(ROW, "text/csv", Accept="text/csv;q=0.5, application/jsonlines")
    assert chosen.headers["Content-Type"] == "application/jsonlines"
    assert abalone.invoke(ROW, "text/csv", Accept="*/*").headers["Content-Type"] == "text/csv"


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "expected"),
    [
        ("I,1,2", "text/csv", {}, (400, "bad_request")),
        (ROW.replace("0.365", "long"), "text/csv", {}, (400, "bad_request")),
        ("", "text/csv", {}, (400, "bad_request")),
        ("[", "application/json", {}, (400, "bad_request")),
        (ROW, "text/csv", {"Accept": "image/png"}, (406, "not_acceptable")),
        (ROW, "application/x-www-form-urlencoded", {}, (415, "unsupported_media_type")),
        (ROW, "text/plain", {}, (415, "unsupported_media_type")),
        (ROW, "text/csv", {"Content-Encoding": "br"}, (415, "unsupported_media_type")),
        (b"\x93NUMPY\x01\x00", "application/x-npy", {}, (400, "bad_request")),
    ],
)
def test_each_fault_of_the_caller_has_its_own_answer(abalone, body, content_type, headers, expected):
    assert error_of(abalone.invoke(body, content_type, **headers)) == expected


def test_a_fault_of_the_model_is_a_500_that_tells_nothing_of_the_input(serve):
    server = serve("obedient")
    answer = server.tell(**{"raise": "secret"})
    assert error_of(answer) == (500, "model_failed")
    assert "secret" not in answer.text


def test_unknown_paths_and_methods_are_refused_in_json(abalone):
    assert error_of(requests.get(f"{abalone.url}/nothing", timeout=10)) == (404, "not_found")
    assert error_of(requests.get(f"{abalone.url}/invocations", timeout=10)) == (405, "method_not_allowed")
    assert error_of(requests.get(f"{abalone.url}/unhealthy.json", timeout=10)) == (404, "not_found")


def test_compressed_bodies_are_read(abalone):
    answer = abalone.invoke(gzip.compress(ROW.encode()), "text/csv", Content_Encoding="gzip")
    assert (answer.status_code, float(answer.text)) == (200, pytest.approx(7.258125951673891))


def test_a_body_sent_in_chunks_is_read_whole(abalone):
    lines = (f"{ROW}\n".encode() for _ in range(1000))
    answer = requests.post(f"{abalone.url}/invocations", data=lines, headers={"Content-Type": "text/csv"}, timeout=60)
    assert (answer.status_code, len(answer.text.splitlines())) == (200, 1000)


def post(server, body, **headers):
    named = {"Content-Type": "text/csv", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return requests.post(f"{server.url}/invocations", data=body, headers=named, timeout=60)


def test_a_compressed_body_sent_in_chunks_is_read_whole(abalone):
    body = gzip.compress(f"{ROW}\n".encode() * 1000)
    pieces = (body[start : start + 100] for start in range(0, len(body), 100))
    answer = post(abalone, pieces, Content_Encoding="gzip")
    assert (answer.status_code, len(answer.text.splitlines())) == (200, 1000)


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(ROW.encode())[:-9], gzip.compress(ROW.encode()) + b"more"],
    ids=["not", "cut", "more"],
)
def test_what_is_no_gzip_is_the_callers_fault(abalone, body, chunked):
    answer = post(abalone, iter([body]) if chunked else body, Content_Encoding="gzip")
    assert error_of(answer) == (400, "bad_request")


def test_a_file_is_answered_as_its_lines_are(abalone):
    for end in ("\n", "\r\n"):
        pieces = [f"{ROW}{end}", f"{ROW}{end}{ROW}", ROW]
        joined = end.join(piece.removesuffix(end) for piece in pieces)
        answers = [post(abalone, piece, Accept="text/csv").content for piece in pieces]
        assert b"".join(answers) == post(abalone, joined, Accept="text/csv").content


def test_a_batch_transform_job_is_told_how_much_the_workers_take(serve):
    server = serve(MODELS / "abalone", SAGEMAKER_BATCH="true", SAGEMAKER_MODEL_SERVER_WORKERS="3")
    answer = requests.get(f"{server.url}/execution-parameters", timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == {"MaxConcurrentTransforms": 3, "MaxPayloadInMB": 33}
    refused = requests.post(f"{server.url}/execution-parameters", timeout=10)
    assert error_of(refused) == (405, "method_not_allowed")
    assert "GET" in refused.headers["Allow"]


def test_a_body_of_25_megabytes_is_taken_and_a_larger_one_refused(serve):
    server = serve("obedient")
    padding = json.dumps({"sleep": 0, "padding": "x" * (25 * MEGABYTE)})
    assert server.invoke(padding).status_code == 200
    assert error_of(server.invoke(padding + " " * MEGABYTE)) == (413, "payload_too_large")


def test_a_batch_transform_job_takes_100_megabytes(serve):
    server = serve("obedient", SAGEMAKER_BATCH="true")
    assert server.invoke(json.dumps({"padding": "x" * (100 * MEGABYTE)})).status_code == 200


def test_a_small_body_that_inflates_past_the_limit_is_refused(abalone):
    bomb = gzip.compress(b"0" * (26 * MEGABYTE))
    assert error_of(abalone.invoke(bomb, "text/csv", Content_Encoding="gzip")) == (413, "payload_too_large")


def test_the_payload_limit_can_be_set(serve):
    server = serve(MODELS / "abalone", SAGEMAKER_MAX_PAYLOAD_IN_MB="1")
    assert error_of(server.invoke("x" * (2 * MEGABYTE), "text/csv")) == (413, "payload_too_large")


def test_headers_that_the_platform_sends_are_borne(abalone):
    headers = {f"X-Amzn-Unknown-{number}": "x" * 100 for number in range(50)}
    headers |= {"X-Amzn-SageMaker-Custom-Attributes": "a" * 1024, "X-Amzn-SageMaker-Session-Id": "s" * 256}
    headers |= {"X-Long": "x" * 12000}  # more than gunicorn takes by default, and less than nginx does
    assert abalone.invoke(ROW, "text/csv", **headers).status_code == 200


def test_the_request_id_is_the_callers_inference_id_or_one_of_ours(abalone):
    given = abalone.invoke(ROW, "text/csv", X_Amzn_SageMaker_Inference_Id="mine-1")
    assert given.headers["X-Request-Id"] == "mine-1"
    made_up = abalone.invoke(ROW, "text/csv", X_Amzn_SageMaker_Inference_Id='bad"id')
    assert len(made_up.headers["X-Request-Id"]) == 32
    refused = abalone.invoke("I,1", "text/csv", X_Amzn_SageMaker_Inference_Id="mine-2")
    assert refused.json()["error"]["request_id"] == "mine-2"


def raw(server, sent):
    """Send these bytes and return the answer, but do not wait for the connection's end: nginx lingers."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(sent)
        answer = HTTPResponse(connection)
        answer.begin()
        return answer, json.loads(answer.read())


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"NONSENSE\r\n\r\n", 400, "bad_request"),
        (b"AB /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405, "method_not_allowed"),
        (b"POST /invocations HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"x" * 70000), 431, "headers_too_large"),
        (b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 70000), 431, "headers_too_large"),
        (
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n",
            413,
            "payload_too_large",
        ),
    ],
    ids=["no-http", "no-method", "long-header", "long-path", "long-body"],
)
def test_what_nginx_refuses_is_refused_in_the_same_json(abalone, sent, status, code):
    answer, body = raw(abalone, sent)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    assert body["error"]["code"] == code


def random_rows(count):
    """Plausible shells, some with a missing value or an unseen sex."""
    generator = np.random.default_rng(7)
    sexes = generator.choice(["M", "F", "I", "?"], count, p=[0.4, 0.3, 0.25, 0.05])
    numbers = generator.uniform(0.05, 0.8, (count, 7)).round(4)
    numbers[generator.random((count, 7)) < 0.02] = np.nan
    return [[sex, *row] for sex, row in zip(sexes.tolist(), numbers.tolist(), strict=True)]


COLUMNS = ["sex", "length", "diameter", "height", "whole_weight", "shucked_weight", "viscera_weight", "shell_weight"]


def is_missing(cell):
    return isinstance(cell, float) and math.isnan(cell)


def encoded(rows):
    """The same rows in every media type: (media type, body)."""
    blank = [["" if is_missing(cell) else cell for cell in row] for row in rows]
    null = [[None if is_missing(cell) else cell for cell in row] for row in rows]
    array = np.array(
        [tuple(row) for row in rows], dtype=[(COLUMNS[0], "<U1"), *((name, "<f8") for name in COLUMNS[1:])]
    )
    npy = io.BytesIO()
    np.save(npy, array)
    yield "text/csv", "".join(f"{','.join(map(str, row))}\n" for row in blank).encode()
    yield "application/json", json.dumps({"instances": null}).encode()
    yield "application/jsonlines", "\n".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in null).encode()
    yield "application/x-npy", npy.getvalue()


def test_predictions_over_http_are_the_models_own_in_every_media_type(abalone):
    import joblib
    import pandas as pd

    rows = random_rows(500)
    expected = joblib.load(MODELS / "abalone" / "model.joblib").predict(pd.DataFrame(rows, columns=COLUMNS))
    for content_type, body in encoded(rows):
        answer = abalone.invoke(body, content_type, Accept="application/json")
        assert answer.status_code == 200, answer.text
        assert answer.json() == expected.tolist(), content_type


def test_the_two_halves_of_the_pipeline_are_the_models_own_over_http(serve):
    import joblib
    import pandas as pd
    import xgboost

    rows = random_rows(500)
    featurizer = joblib.load(MODELS / "abalone_featurizer" / "preprocess.joblib")
    features = featurizer.transform(pd.DataFrame(rows, columns=COLUMNS))
    halfway = serve(MODELS / "abalone_featurizer").invoke(next(encoded(rows))[1], "text/csv")
    assert np.loadtxt(io.StringIO(halfway.text), delimiter=",").tolist() == features.tolist()
    booster = xgboost.Booster()
    booster.load_model(bytearray((MODELS / "abalone_predictor" / "xgboost-model").read_bytes()))
    answer = serve(MODELS / "abalone_predictor").invoke(halfway.content, halfway.headers["Content-Type"])
    assert answer.json() == {"result": booster.inplace_predict(features).tolist()}


def test_none_of_these_requests_has_cost_the_server_a_worker(abalone):
    assert abalone.ping().status_code == 200
    assert not abalone.logged("worker gone")
