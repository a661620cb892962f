"""From `serve` to the first 200: what is promised of the start, and of the starts that fail."""

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import requests

from process_helpers import answers
from server import MODELS, ROOT, until

BROKEN = ROOT / "tests" / "broken_models"
EXPECTED = json.loads((BROKEN / "expected.json").read_text())
STARTS_AT_A_TIME = 3


def test_one_command_leads_to_a_prediction(serve):
    server = serve(MODELS / "abalone")
    answer = server.invoke("I,0.365,0.295,0.095,0.25,0.1075,0.0545,0.08,9.0", "text/csv")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv")
    assert float(answer.text) == pytest.approx(7.258125951673891)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ping_is_200_with_an_empty_body_once_the_model_is_ready(serve, method):
    answer = serve("obedient").ping(method)
    assert (answer.status_code, answer.content) == (200, b"")


def test_ping_is_503_with_a_reason_until_the_model_is_warm(launch):
    server = launch("obedient", SERVING_TEST_LOAD_SECONDS="2")
    seen = []

    def ready():
        try:
            seen.append(server.ping())
        except requests.ConnectionError:
            return False
        return seen[-1].status_code == 200

    until(ready, "readiness")
    assert server.logged("model loaded")["load_seconds"] >= 2
    refused = [answer for answer in seen if answer.status_code != 200]
    assert {answer.status_code for answer in refused} == {503}
    errors = [answer.json()["error"] for answer in refused]
    assert {error["code"] for error in errors} == {"not_ready"}
    assert "The model is loading." in {error["message"] for error in errors}


def test_an_invocation_before_the_model_is_ready_gets_a_503_in_json(launch):
    server = launch("obedient", SERVING_TEST_LOAD_SECONDS="3")
    (answer,) = until(lambda: answers(server.tell), "nginx")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert answer.json()["error"]["request_id"]


def test_the_plan_is_one_log_line(serve):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="3")
    plan = server.logged("planned")["plan"]
    assert (plan["workers"], plan["threads"], plan["shared"]) == (3, max(1, int(plan["cpus"]) // 3), True)
    assert plan["once_mb"] + 3 * plan["worker_mb"] < plan["memory_mb"]
    assert server.log_text().count('"planned"') == 1
    assert len(until(lambda: len(server.worker_pids()) == 3 and server.worker_pids(), "three workers")) == 3


def test_the_model_is_loaded_once_for_all_workers(serve):
    server = serve("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="2")
    assert server.logged("model loaded")["loaded_per"] == "container"
    answer = server.tell().json()
    assert answer["loaded_by"] != answer["pid"]


def test_a_model_that_hangs_after_a_fork_is_loaded_by_each_worker(serve):
    server = serve("hangs_after_fork", SERVING_CANARY_TIMEOUT="1")
    line = server.logged("model loaded")
    assert (line["loaded_per"], "did not answer its samples within 1 s" in line["reason"]) == ("worker", True)
    assert server.invoke("[[1], [2]]").json() == [True, True]


def test_a_model_without_samples_is_loaded_by_each_worker(serve):
    server = serve("without_samples")
    assert "no samples/" in server.logged("model loaded")["reason"]
    assert server.invoke("[[1]]").json() == [True]


def test_the_same_server_can_be_started_again_and_again(serve):
    for _ in range(3):
        server = serve(MODELS / "abalone_predictor")
        assert server.ping().status_code == 200
        server.send(signal.SIGTERM)
        assert server.exit_status() == 0


def test_threads_locks_and_sockets_of_the_users_code_are_pythons_own(serve):
    assert serve("obedient").tell().json()["real"] is True


@pytest.fixture(scope="module")
def ends(request, where, begin, tmp_path_factory):
    """How the start of each broken folder that is asked about ends: (status, log lines). Several start at a time."""
    folders = {name: BROKEN / name for name in EXPECTED}
    folders["empty_folder"] = tmp_path_factory.mktemp("empty_folder")
    if where == "image":
        folders["no_folder"] = None  # Docker would make the folder that it is to mount

    def end_of(name):
        with closing(begin(folders[name])) as server:
            return server.exit_status(), server.log_lines()

    with ThreadPoolExecutor(STARTS_AT_A_TIME) as pool:
        yield {name: pool.submit(end_of, name) for name in names_asked_for(request.session)}


def names_asked_for(session):
    parameters = [item.callspec.params for item in session.items if "ends" in item.fixturenames]
    return {asked["name"] for asked in parameters}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_broken_model_folder_ends_the_start_with_its_own_message(ends, name):
    status, lines = ends[name].result()
    assert status not in (0, 137)
    critical = [line["message"] for line in lines if line["level"] == "CRITICAL"]
    assert len(critical) == 1
    assert critical[0].startswith("cannot start: ")
    assert EXPECTED[name] in critical[0]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"SAGEMAKER_MODEL_SERVER_WORKERS": "two"}, "SAGEMAKER_MODEL_SERVER_WORKERS is 'two'; expected a whole number"),
        ({"SAGEMAKER_MULTI_MODEL": "true"}, "this server serves one model"),
    ],
)
def test_a_setting_that_makes_no_sense_ends_the_start(launch, environ, message):
    server = launch("obedient", **environ)
    assert server.exit_status() == 1
    assert message in server.logged("cannot start")["message"]


@pytest.mark.only("host")
def test_a_taken_port_is_named_before_the_model_is_loaded(launch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        server = launch("obedient", SAGEMAKER_BIND_TO_PORT=port)
        assert server.exit_status() == 1
        assert f"Cannot listen on port {port}" in server.logged("cannot start")["message"]


def test_check_replays_the_samples_and_ends(launch):
    server = launch(MODELS / "abalone", "--check")
    assert server.exit_status() == 0
    assert server.logged("checked")["samples"] == 5


def test_sigterm_while_the_model_is_loading_ends_the_start(launch):
    server = launch("obedient", SERVING_TEST_LOAD_SECONDS="30")
    until(lambda: answers(server.ping), "nginx")
    server.send(signal.SIGTERM)
    assert server.exit_status() == 0
    assert not server.logged("model loaded")


def test_workers_that_die_again_and_again_before_they_are_ready_end_the_start(launch, tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "inference.py").write_text(
        "import os, signal\n"
        "ARBITER = os.environ.setdefault('SEEN_BY', str(os.getpid()))\n"
        "def model_fn(model_dir):\n"
        "    if str(os.getpid()) != ARBITER: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    return 1\n"
        "def predict_fn(rows, model): return rows\n"
    )
    server = launch(tmp_path)
    assert server.exit_status() == 1
    assert "3 workers died before one was ready" in server.logged("cannot start")["message"]
