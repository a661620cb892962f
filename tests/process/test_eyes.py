"""What an operator sees: the metrics of all processes, a line for every request, and no word of an input."""

import fcntl
import json
import os
import signal
import socket
import sys
import uuid
from contextlib import closing

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from process_helpers import in_background
from server import MODELS, PROGRAM, TEST_MODELS, HostServer, until

SECRET = "4111-1111-1111-1111"


@pytest.fixture(scope="module")
def obedient(begin):
    """One server with two workers, which its last test ends."""
    with closing(begin("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="2", SERVING_EMF="Byoc/test")) as server:
        server.wait_until_ready()
        until(lambda: metrics_of(server)["serving_workers_ready"] == 2, "two workers")
        yield server


def metrics_of(server):
    """Return the value of each series, by its name and the values of its labels."""
    answer = requests.get(f"{server.url}/metrics", timeout=60)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        " ".join((sample.name, *(value for _, value in sorted(sample.labels.items())))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def answered(server, status, path="/invocations"):
    return metrics_of(server).get(f"serving_requests_total {path} {status}", 0)


def access_line(server, request_id):
    return until(
        lambda: next((line for line in server.log_lines() if line.get("request_id") == request_id), None),
        f"the access line of {request_id}",
    )


def raw(server, data):
    """Send bytes that are no request of a library's; return what comes back until the end."""
    with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
        connection.sendall(data)
        connection.settimeout(60)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_every_worker_tells_of_the_requests_of_all(obedient):
    before = answered(obedient, 200)
    pids = {obedient.tell().json()["pid"] for _ in range(20)}
    until(lambda: answered(obedient, 200) == before + 20, "20 more requests")
    assert len({answered(obedient, 200) for _ in range(10)}) == 1
    assert pids


def test_metrics_do_not_wait_behind_the_model(obedient):
    predictions = in_background(lambda _: obedient.tell(sleep=2), *range(4))
    until(lambda: metrics_of(obedient)["serving_requests_in_flight"] == 4, "four requests in flight")
    assert not any(future.done() for future in predictions)
    assert {future.result().status_code for future in predictions} == {200}
    until(lambda: metrics_of(obedient)["serving_requests_in_flight"] == 0, "none in flight")


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
def test_metrics_take_no_other_method(obedient, method):
    answer = requests.request(method, f"{obedient.url}/metrics", timeout=60)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_pings_are_neither_counted_nor_logged(obedient):
    before = {name: value for name, value in metrics_of(obedient).items() if "other" in name}
    for _ in range(5):
        assert obedient.ping().status_code == 200
    assert {name: value for name, value in metrics_of(obedient).items() if "other" in name} == before
    assert not any(line.get("path") in ("/ping", "/metrics") for line in obedient.log_lines())


@pytest.mark.parametrize(
    ("data", "status", "code", "method"),
    [
        (b"GET /none HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431, "headers_too_large", "GET"),
        (b"BREW /pot?milk=%s HTTP/1.0\r\n\r\n" % SECRET.encode(), 405, "method_not_allowed", "BREW"),
        (b"POST /invocations HTTP/1.0\r\nContent-Length: 99999999\r\n\r\n", 413, "payload_too_large", "POST"),
        (b"nothing like HTTP\r\n\r\n", 400, "bad_request", ""),
    ],
    ids=["a header too large", "another method", "a body too large", "no HTTP"],
)
def test_what_nginx_answers_is_counted_and_logged_like_everything(obedient, data, status, code, method):
    before = metrics_of(obedient)[f"serving_refusals_total {code}"]
    answer = raw(obedient, data)
    request_id = json.loads(answer.rpartition(b"\r\n\r\n")[2])["error"]["request_id"]
    line = access_line(obedient, request_id)
    assert (line["status"], line["code"], line["method"], line["answered_by"]) == (status, code, method, "nginx")
    until(lambda: metrics_of(obedient)[f"serving_refusals_total {code}"] == before + 1, "one more refusal")
    assert SECRET not in json.dumps(line)


def test_a_request_that_its_worker_died_over_is_counted_once(obedient):
    before, deaths = answered(obedient, 200), metrics_of(obedient)["serving_worker_deaths_total killed"]
    starts = metrics_of(obedient)["serving_worker_starts_total"]
    assert obedient.tell(kill_once=f"/tmp/{uuid.uuid4().hex}").status_code == 200
    until(lambda: metrics_of(obedient)["serving_workers_ready"] == 2, "the successor")
    until(lambda: metrics_of(obedient)["serving_worker_deaths_total killed"] == deaths + 1, "the death")
    after = metrics_of(obedient)
    assert after["serving_requests_total /invocations 200"] == before + 1
    assert after["serving_requests_in_flight"] == 0
    assert after["serving_worker_starts_total"] == starts + 1


def test_an_access_line_says_where_the_time_went(obedient):
    answer = obedient.tell(sleep=0.1)
    line = access_line(obedient, answer.headers["X-Request-Id"])
    assert line["batch"] == 1
    assert 100 <= line["model_milliseconds"] <= line["milliseconds"]
    assert line["queue_milliseconds"] >= 0


def test_the_id_of_the_caller_is_the_id_in_the_log(obedient):
    obedient.invoke("{}", X_Amzn_SageMaker_Inference_Id="mine-1")
    assert access_line(obedient, "mine-1")["status"] == 200


def test_no_word_of_an_input_is_in_the_log_when_a_hook_fails(obedient):
    answer = obedient.tell(**{"raise": SECRET})
    assert answer.status_code == 500
    assert obedient.invoke(f'["{SECRET}').status_code == 400
    line = access_line(obedient, answer.headers["X-Request-Id"])
    failure = until(lambda: obedient.logged("predict_fn failed"), "the failure's line")
    assert SECRET not in obedient.log_text()
    assert line
    assert "raise RuntimeError(reason)" in failure["traceback"]
    assert "RuntimeError: (its message may quote an input" in failure["traceback"]


@pytest.mark.only("host")
def test_no_word_of_an_input_is_in_the_log_when_a_model_without_code_refuses_it(begin):
    row = f"{SECRET},0.365,0.295,0.095,0.25,0.1075,0.0545,0.08"
    with closing(begin(MODELS / "abalone")) as server:
        server.wait_until_ready()
        for body, content_type, accept in (
            (row, "text/csv", "*/*"),
            (row.replace("0.365", SECRET), "text/csv", "*/*"),
            (row, "application/json", "*/*"),
            (json.dumps([[SECRET] * 8]), "application/json", "*/*"),
            (row, "text/plain", "*/*"),
            (row, "text/csv", "image/png"),
            (SECRET.encode() * 100, "application/x-npy", "*/*"),
        ):
            answer = server.invoke(body, content_type, Accept=accept)
            access_line(server, answer.headers["X-Request-Id"])
        assert server.invoke(row, "text/csv", Content_Encoding="gzip").status_code == 400
        assert SECRET not in server.log_text()


@pytest.mark.only("host")
def test_a_log_that_nobody_reads_costs_lines_and_no_answer(where, tmp_path):
    """Its pipe is soon full; whoever waited for it would answer nobody any more."""
    pipe = tmp_path / "stderr"
    os.mkfifo(pipe)
    unread = os.open(pipe, os.O_RDWR)
    fcntl.fcntl(unread, fcntl.F_SETPIPE_SZ, 4096)
    program = ("sh", "-c", f'exec "$0" "$1" 2>{pipe}', sys.executable, str(PROGRAM))
    with closing(HostServer(TEST_MODELS / "obedient", {}, program=program)) as server:
        server.wait_until_ready()
        until(
            lambda: server.tell().status_code == 200 and metrics_of(server)["serving_log_lines_dropped_total"], "drops"
        )
        assert raw(server, b"POST /invocations HTTP/1.0\r\nContent-Length: 99999999\r\n\r\n")
        assert {server.tell().status_code for _ in range(50)} == {200}
        assert server.ping().status_code == 200
    os.close(unread)


def test_embedded_metrics_have_everything_that_happened_by_the_end(obedient):
    """The last test: it ends the server."""
    total = sum(value for name, value in metrics_of(obedient).items() if name.startswith("serving_requests_total /inv"))
    obedient.send(signal.SIGTERM)
    assert obedient.exit_status() == 0
    lines = [json.loads(line) for line in obedient.log_text().splitlines() if line.startswith('{"_aws"')]
    assert {line["_aws"]["CloudWatchMetrics"][0]["Namespace"] for line in lines} == {"Byoc/test"}
    assert sum(line["Invocations"] for line in lines) == total
    assert sum(line["WorkerDeaths"] for line in lines) == 1
