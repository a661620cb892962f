"""Busy is healthy, stuck is not, and a deadline is kept by the application before anybody else notices."""

import json
import os
import signal
import socket
import time
from contextlib import closing

import pytest
import requests

from process_helpers import in_background
from server import until

SLOW_IN_WORKERS = """
import os, time
ARBITER = os.environ.setdefault("SEEN_BY", str(os.getpid()))
def model_fn(model_dir):
    if str(os.getpid()) != ARBITER:
        time.sleep(34)
    return 1
def predict_fn(rows, model):
    return rows
"""


@pytest.fixture(scope="module", autouse=True)
def long_load(begin, tmp_path_factory):
    """A server whose worker loads for long: begun before the first test, so that it passes beside all of them."""
    folder = tmp_path_factory.mktemp("slow_in_workers")
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").write_text(SLOW_IN_WORKERS)
    folder.chmod(0o755)
    with closing(begin(folder, SAGEMAKER_MODEL_SERVER_TIMEOUT="2", SAGEMAKER_MODEL_SERVER_WORKERS="1")) as server:
        yield server


@pytest.mark.parametrize(
    "orders", [{"compute": 1.5}, {"hold_gil": 1.5}, {"sleep": 1.5}], ids=lambda orders: next(iter(orders))
)
def test_ping_is_answered_while_every_worker_predicts(serve, orders):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="2")
    predictions = in_background(lambda _: server.tell(**orders), *range(6))
    statuses = set()
    while not all(future.done() for future in predictions):
        statuses.add(server.ping().status_code)  # raises after the platform's 2 s
        time.sleep(0.01)
    assert statuses == {200}
    assert {future.result().status_code for future in predictions} == {200}


def test_connections_are_accepted_while_every_worker_predicts(serve):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    predictions = in_background(lambda _: server.tell(compute=0.5), *range(4))
    for _ in range(100):
        socket.create_connection(("127.0.0.1", server.port), 0.25).close()  # the platform's own limit
    assert {future.result().status_code for future in predictions} == {200}


def test_more_than_the_model_can_do_in_time_is_refused_at_once_and_the_rest_answered(serve):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="1", SERVING_MAX_WAIT="1")
    assert server.tell(sleep=0.4).status_code == 200  # what a call takes is known from here on
    answers = [future.result() for future in in_background(lambda _: server.tell(sleep=0.4), *range(20))]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.json()["error"]["code"] for answer in refused} == {"overloaded"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert 2 <= 20 - len(refused) < 20
    assert server.tell().status_code == 200


def refused_by_nginx(server):
    """Have the model compute and others wait until nginx refuses by itself; return those who wait, and the refusal."""
    assert server.tell(sleep=2).status_code == 200  # what a call takes is known from here on
    waiting = in_background(lambda _: server.tell(say="it computes", sleep=2), 0)
    until(lambda: "it computes" in server.log_text(), "a call of the model")  # before it, nothing would hang
    waiting += in_background(lambda _: server.tell(sleep=2), *range(5))
    until(lambda: any(future.done() and future.result().status_code == 503 for future in waiting), "a refusal")
    refusal = server.tell()
    line = until(lambda: line_of(server, refusal.json()["error"]["request_id"]), "the refusal's line")
    assert line["answered_by"] == "nginx"
    return waiting, refusal


def line_of(server, request_id):
    return next((line for line in server.log_lines() if line.get("request_id") == request_id), None)


def overloads_counted(server):
    (line,) = [
        line
        for line in requests.get(f"{server.url}/metrics", timeout=20).text.splitlines()
        if line.startswith('serving_refusals_total{code="overloaded"}')
    ]
    return float(line.split()[1])


def test_while_too_many_wait_nginx_refuses_by_itself_until_a_call_has_ended(serve):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="1", SERVING_MAX_WAIT="1")
    waiting, refusal = refused_by_nginx(server)
    assert (refusal.status_code, refusal.json()["error"]["code"]) == (503, "overloaded")
    assert refusal.headers["Retry-After"] == "1"
    assert refusal.headers["X-Request-Id"] == refusal.json()["error"]["request_id"]
    answers = [future.result() for future in waiting]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert server.tell().status_code == 200
    refused = 1 + sum(answer.status_code == 503 for answer in answers)
    until(lambda: overloads_counted(server) == refused, "all refusals, of nginx's and of the worker's")


def test_a_worker_that_is_killed_does_not_leave_nginx_refusing(serve):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="1", SERVING_MAX_WAIT="1", SERVING_QUARANTINE="0")
    waiting, _ = refused_by_nginx(server)
    (victim,) = server.worker_pids()
    os.kill(victim, signal.SIGKILL)
    until(lambda: server.worker_pids() - {victim}, "its successor")
    assert server.tell().status_code == 200  # the successor knows nothing yet, and refuses nobody before a call ends
    assert 200 in {future.result().status_code for future in waiting}


def test_the_model_is_not_asked_for_a_caller_who_has_hung_up(serve, tmp_path):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    (busy,) = in_background(lambda _: server.tell(sleep=2), 0)
    until(lambda: server.ping().status_code == 200 and not busy.done(), "the model at work")
    body = json.dumps({"say": "the model was asked for nobody"}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as caller:
        caller.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Type: application/json\r\n"
            b"X-Amzn-SageMaker-Inference-Id: impatient\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        time.sleep(0.5)  # long enough to be in the queue; if it were not, there would be no line of it
    assert busy.result().status_code == 200
    line = until(lambda: [line for line in server.log_lines() if line.get("request_id") == "impatient"], "its line")[0]
    assert line["status"] == 499
    assert server.tell().status_code == 200
    assert "asked for nobody" not in server.log_text()


def test_an_answer_just_within_the_deadline_is_given(serve):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_TIMEOUT="4")
    assert server.tell(sleep=2.5).status_code == 200


def test_a_request_past_its_deadline_gets_the_applications_504(serve):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_TIMEOUT="2", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    answer = server.tell(sleep=3)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
    assert "asynchronous" in answer.json()["error"]["message"]


def test_a_worker_whose_model_is_stuck_is_replaced_and_what_it_queued_is_answered(serve):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_TIMEOUT="2", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    (victim,) = server.worker_pids()
    (stuck,) = in_background(lambda _: server.tell(sleep=60), 0)
    until(lambda: victim not in server.worker_pids(), "the stuck worker's end")
    assert server.tell().status_code == 200
    assert stuck.result().status_code == 504
    assert server.logged("running past every deadline")


@pytest.mark.timeout(120)
@pytest.mark.only("host")  # the same program, and it takes half a minute
def test_a_long_load_in_a_worker_is_not_taken_for_a_hang(long_load):
    """The arbiter's patience with a silent worker is the timeout plus 30 s; loading takes as long as it takes."""
    long_load.wait_until_ready()
    assert long_load.invoke("[[1]]").json() == [[1.0]]
    assert not long_load.logged("WORKER TIMEOUT")
