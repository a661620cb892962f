"""A worker that dies costs no caller an answer, and what kills workers is found, told and refused."""

import json
import os
import signal
import uuid
from collections import Counter
from contextlib import closing

import pytest

from process_helpers import answers, in_background
from server import TEST_MODELS, ContainerServer, until

CRASH, LEAVE, WAIT, FILL, MARK = range(-5, 0)  # what the model folder `poisonable` does about a row
BOTH = {"SAGEMAKER_MODEL_SERVER_WORKERS": "2"}


@pytest.fixture(scope="module")
def server(begin):
    """One server for the tests that it survives."""
    with closing(begin("poisonable", **BOTH)) as server:
        all_ready(server, 2)
        yield server


def all_ready(server, workers):
    until(lambda: server.log_text().count("worker ready") >= workers, f"{workers} ready workers")


def ask(server, *row):
    return server.invoke(json.dumps([row]))


def deaths(server):
    return [line for line in server.log_lines() if line["message"].startswith("worker gone")]


def together(server, *rows):
    """Ask for all of *rows* while every worker is busy, so that they wait, and go on, together."""
    busy = in_background(lambda number: ask(server, WAIT, 600 + number), *range(2))
    until(lambda: all(not future.done() for future in busy), "two busy workers")
    futures = in_background(lambda row: ask(server, *row), *rows)
    return [future.result() for future in futures], [future.result() for future in busy]


def test_an_input_that_crashes_the_model_is_refused_and_costs_its_neighbours_nothing(server):
    poison = (CRASH, 0)
    neighbours = [(number, 1) for number in range(24)]
    before = len(deaths(server))
    found, busy = together(server, *neighbours[:12], poison, *neighbours[12:])
    refused = found.pop(12)
    assert [answer.status_code for answer in (*found, *busy)] == [200] * 26
    assert [answer.json() for answer in found] == [[number + 1.0] for number in range(24)]
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "input_kills_the_model")
    until(lambda: len(deaths(server)) == before + 2, "two deaths")
    among_others, on_trial = deaths(server)[before:]
    assert (among_others["on_trial"], on_trial["on_trial"], on_trial["in_model"]) == (False, True, 1)
    for death in (among_others, on_trial):
        assert death["message"] == "worker gone: it crashed (SIGSEGV): native code touched memory that is not its own"
        assert (death["cause"], death["signal"], death["level"]) == ("crashed", "SIGSEGV", "WARNING")
        assert death["peak_memory_mb"] > 10
        assert 'inference.py"' in death["stack"]
    assert ask(server, *poison).status_code == 422
    assert len(deaths(server)) == before + 2  # for nothing was asked of the model


@pytest.mark.parametrize("status", [0, 3, 4])
def test_a_hook_that_ends_its_process_ends_nothing_else_whatever_the_status(server, status):
    before = len(deaths(server))
    refused = ask(server, LEAVE, status)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "input_kills_the_model")
    assert ask(server, 1, 2).json() == [3.0]
    until(lambda: len(deaths(server)) == before + 2, "two deaths")
    assert {(death["cause"], death["exit_status"]) for death in deaths(server)[before:]} == {("exited", status)}
    assert not server.logged("failed to boot")


def test_who_kills_workers_again_and_again_hurts_no_request_and_condemns_none(server):
    before = len(deaths(server))
    slow = in_background(lambda number: ask(server, WAIT, 1500, number), *range(2))
    for round_ in (1, 2):
        pids = until(lambda: len(server.worker_pids()) == 2 and server.worker_pids(), "two workers")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        until(lambda expected=before + 2 * round_: len(deaths(server)) >= expected, "their end")
    assert [future.result().status_code for future in slow] == [200, 200]
    assert {(death["cause"], death["signal"]) for death in deaths(server)[before:]} == {("killed", "SIGKILL")}
    assert ask(server, WAIT, 1, 0).status_code == 200


def test_gunicorn_says_nothing_of_its_own_about_a_death(server):
    assert deaths(server)
    assert not [line for line in server.log_lines() if line["logger"].startswith("gunicorn")]


def test_workers_that_die_again_and_again_end_the_server_and_the_last_line_says_of_what(launch):
    marker = f"/tmp/marker-{uuid.uuid4().hex}"
    server = launch("poisonable", SERVING_TEST_MARKER=marker, SERVING_LOAD_PER="worker", **BOTH)
    all_ready(server, 2)
    ask(server, MARK, 0)
    answers(lambda: ask(server, LEAVE, 1))
    assert server.exit_status() == 1
    (last,) = [line for line in server.log_lines() if line["level"] == "CRITICAL"]
    assert last["message"].startswith("giving up: 5 generations of workers have died one after the other")
    assert "it crashed (SIGSEGV)" in last["message"]
    loading = [death for death in deaths(server) if "seconds_ready" not in death]
    assert all("model_fn" in death["stack"] for death in loading)


@pytest.mark.only("host")  # the same program, and it takes a while
def test_an_input_that_the_model_never_comes_back_from_is_told_from_one_that_keeps_it_busy(serve):
    server = serve("poisonable", SAGEMAKER_MODEL_SERVER_TIMEOUT="2", SAGEMAKER_MODEL_SERVER_WORKERS="1")
    for number in range(4):  # longer than any deadline, all in all
        assert ask(server, WAIT, 900, number).status_code == 200
    assert deaths(server) == []
    endless = (WAIT, 60_000)
    for number in (1, 2):
        assert ask(server, *endless).status_code == 504
        until(lambda number=number: len(deaths(server)) == number, "the worker's replacement")
    assert {death["cause"] for death in deaths(server)} == {"stuck"}
    assert 'inference.py"' in server.logged("running past every deadline")["stack"]
    assert ask(server, *endless).status_code == 422
    assert ask(server, 1, 2).json() == [3.0]


@pytest.mark.only("image")  # only a container has a limit of its own
def test_an_input_that_fills_the_memory_is_told_from_a_kill(where):
    limit = ("--memory", "512m", "--memory-swap", "512m")
    variables = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SERVING_MEMORY_MB": "4096"}
    with closing(ContainerServer(TEST_MODELS / "poisonable", variables, options=limit)) as server:
        all_ready(server, 1)
        refused = ask(server, FILL, 2000)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "input_kills_the_model")
        assert Counter(death["cause"] for death in deaths(server)) == {"out_of_memory": 2}
        assert "the kernel's OOM killer ended it" in server.logged("worker gone")["message"]
        assert ask(server, 1, 2).json() == [3.0]
