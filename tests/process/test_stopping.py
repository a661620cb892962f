"""SIGTERM, and the deaths that nobody asked for."""

import json
import os
import signal
import time
import uuid

import pytest
import requests

from process_helpers import in_background
from server import processes, until


def busy(server, seconds, count):
    """Start *count* requests of *seconds* each, and return them once they are at the model or in its queue."""
    requests_in_flight = in_background(lambda _: server.tell(say="begun", sleep=seconds), *range(count))
    until(lambda: "begun" in server.log_text(), "the first request's arrival at the model")
    time.sleep(0.5)  # for those behind it: that a request waits in a queue shows nowhere
    return requests_in_flight


def alive(pids):
    """Those that still run; whether a machine's init reaps its orphans in time is not ours to test."""
    return {pid for pid, _, command in processes() if pid in pids and command}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_in_flight_are_answered_before_the_server_ends_with_0(serve, number):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="2")
    waiting = busy(server, 2, 4)
    server.send(number)
    assert server.exit_status() == 0
    assert [future.result().status_code for future in waiting] == [200] * 4


def test_new_connections_are_refused_while_the_server_drains(serve):
    server = serve("obedient")
    waiting = busy(server, 2, 1)
    server.send(signal.SIGTERM)
    until(lambda: server.logged("draining"), "the drain")

    def refused():
        try:
            return server.ping().status_code == 503
        except requests.RequestException:
            return True

    until(refused, "a refusal")
    assert waiting[0].result().status_code == 200
    assert server.exit_status() == 0


def test_a_second_sigterm_does_not_cut_the_drain_short(serve):
    server = serve("obedient")
    waiting = busy(server, 2, 1)
    server.send(signal.SIGTERM)
    until(lambda: server.logged("draining"), "the drain")
    server.send(signal.SIGTERM)
    assert waiting[0].result().status_code == 200
    assert server.exit_status() == 0


def test_nothing_is_left_behind_after_a_stop(serve):
    server = serve("obedient")
    below = set(server.tree())
    assert len(below) >= 4  # nginx and its worker, gunicorn and its workers
    server.send(signal.SIGTERM)
    assert server.exit_status() == 0
    until(lambda: not alive(below), "the end of what the server had started")


def test_a_killed_worker_is_replaced_and_the_server_stays_healthy(serve):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    (victim,) = server.worker_pids()
    os.kill(victim, signal.SIGKILL)
    assert server.tell().status_code == 200
    (successor,) = until(server.worker_pids, "a new worker")
    assert successor != victim
    assert server.ping().status_code == 200


def test_while_a_workers_successor_loads_the_other_worker_answers(serve):
    gate = f"/tmp/gate-{uuid.uuid4().hex}"
    both = {"SAGEMAKER_MODEL_SERVER_WORKERS": "2", "SERVING_LOAD_PER": "worker"}
    server = serve("obedient", SERVING_TEST_GATE=gate, **both)
    server.tell(touch=gate)
    victim = min(server.worker_pids())
    os.kill(victim, signal.SIGKILL)
    until(lambda: server.logged("worker gone"), "the victim's end")
    answers = [server.tell() for _ in range(10)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["pid"] for answer in answers}) == 1
    assert server.log_text().count("worker ready") == 2  # all that before the successor was there
    server.tell(remove=gate)
    until(lambda: server.log_text().count("worker ready") == 3, "the successor")


def test_with_all_workers_dead_but_one_every_request_is_answered(serve):
    gate = f"/tmp/gate-{uuid.uuid4().hex}"
    server = serve("obedient", SERVING_TEST_GATE=gate, SAGEMAKER_MODEL_SERVER_WORKERS="4", SERVING_LOAD_PER="worker")
    server.tell(touch=gate)
    for victim in sorted(server.worker_pids())[:3]:
        os.kill(victim, signal.SIGKILL)
    until(lambda: server.log_text().count("worker gone") == 3, "the victims' end")
    assert {server.tell().status_code for _ in range(12)} == {200}
    assert server.log_text().count("worker ready") == 4
    server.tell(remove=gate)


def test_with_all_workers_dead_requests_wait_for_the_first_successor(serve):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="2")
    for victim in server.worker_pids():
        os.kill(victim, signal.SIGKILL)
    assert {server.tell().status_code for _ in range(5)} == {200}


def test_a_request_whose_worker_is_killed_is_answered_by_another(serve, tmp_path):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="2")
    answer = server.tell(kill_once="/tmp/killed")
    assert answer.status_code == 200
    assert answer.json()["orders"] == {"kill_once": "/tmp/killed"}


def test_a_request_that_kills_every_worker_it_meets_gets_an_answer_and_the_server_goes_on(serve):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="2")
    answer = server.tell(kill=True)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "input_kills_the_model")
    assert until(lambda: server.tell().status_code == 200, "an answer")


@pytest.mark.parametrize("child", ["nginx", "gunicorn"])
def test_the_death_of_a_child_ends_the_server_with_its_status(serve, child):
    server = serve("obedient")
    below = set(server.tree())
    os.kill(server.child_pid(child), signal.SIGKILL)
    assert server.exit_status() == 128 + signal.SIGKILL
    assert server.logged(f"{child} ended")["exit_status"] == 137
    until(lambda: not alive(below), "the end of what the server had started")


def test_a_child_that_ends_unasked_is_never_taken_for_a_success(serve):
    server = serve("obedient")
    os.kill(server.arbiter_pid(), signal.SIGTERM)  # gunicorn exits 0 on this
    assert server.exit_status() == 1


def test_a_worker_that_cannot_start_ends_the_server(launch, tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "inference.py").write_text(
        "import os\n"
        "ARBITER = os.environ.setdefault('SEEN_BY', str(os.getpid()))\n"
        "def model_fn(model_dir):\n"
        "    if str(os.getpid()) != ARBITER: raise RuntimeError('not in a worker')\n"
        "    return 1\n"
        "def predict_fn(rows, model): return rows\n"
    )
    tmp_path.chmod(0o755)
    server = launch(tmp_path)
    assert server.exit_status() not in (0, 137)
    assert "not in a worker" in server.logged("cannot start")["message"]


@pytest.mark.only("image")  # where the program is PID 1, and inherits them
def test_orphans_of_the_users_code_are_reaped(serve):
    server = serve("obedient")
    before = server.children()
    assert server.tell(orphan=0.5).status_code == 200
    until(lambda: server.children() > before, "the orphan's arrival at PID 1")
    until(lambda: server.children() == before, "the orphan's end: a zombie would stay")


def test_bodies_never_reach_the_log(serve):
    server = serve("obedient")
    server.invoke(json.dumps({"raise": "x", "secret": "hunter2"}))
    server.invoke('{"secret": hunter2')
    until(lambda: len([line for line in server.log_lines() if line["message"] == "request"]) == 2, "two access lines")
    assert "hunter2" not in server.log_text()
