"""A start that measures its model: how many workers the memory has room for, and what four of them take."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from heavy_model import QUERY, bytes_of, write_heavy_model
from server import until

SEVERAL_CPUS = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this machine has one CPU")
REQUESTS_PER_WORKER = 50
HEADROOM = 0.1
LARGE = 500  # MB
MIDDLING = 128  # MB: more than all the rest of a worker


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A model folder whose model is loaded by each worker: without samples nothing proves that it can be shared."""
    return write_heavy_model(tmp_path_factory.mktemp("copied") / "model", MIDDLING, samples=False)


@pytest.fixture(scope="module")
def measured(copied, begin):
    """What a server with plenty of memory says of it."""
    server = begin(copied, SAGEMAKER_MODEL_SERVER_WORKERS="2")
    try:
        server.wait_until_ready()
        return server.logged("planned")["plan"]
    finally:
        server.close()


def memory_for(workers, measured):
    """Return the MB in which so many workers fit, and half of another one."""
    return str(round((measured["once_mb"] + (workers + 0.5) * measured["worker_mb"]) / (1 - HEADROOM)))


def answers_at_once(call, number):
    """Return the statuses of so many calls, four of them at a time."""
    with ThreadPoolExecutor(4) as pool:
        return {future.result().status_code for future in [pool.submit(call) for _ in range(number)]}


def nginx_workers(server):
    return [command.rstrip() for _, command in server.tree().values() if command.startswith("nginx: worker process")]


def test_a_copy_for_each_worker_is_measured_before_the_workers_load_it(measured):
    assert measured["shared"] is False
    assert MIDDLING < measured["model_mb"] <= measured["worker_mb"]
    assert measured["once_mb"] < MIDDLING + measured["worker_mb"]


@pytest.fixture
def crowded(serve):
    """A server whose memory has room for one worker, said to be of 4 GB, where its CPUs would take several."""
    return serve("obedient", SERVING_LOAD_PER="worker", SERVING_MODEL_MB="4000", SERVING_MEMORY_MB="7000")


@SEVERAL_CPUS
def test_of_the_workers_that_the_cpus_would_take_those_are_started_for_whom_there_is_room(crowded):
    plan = crowded.logged("planned")["plan"]
    assert (plan["workers"], plan["threads"]) == (1, int(plan["cpus"]))
    assert plan["reason"].endswith("do not fit into the memory; 1 does")
    assert len(crowded.worker_pids()) == 1


@SEVERAL_CPUS
def test_nginx_knows_of_no_worker_that_is_not_started(crowded):
    """It would take the missing one for the least busy of all, and ask it first each time."""
    until(lambda: nginx_workers(crowded) == ["nginx: worker process"], "nginx's reload")
    refused = crowded.log_text().count("connect() to")
    assert answers_at_once(lambda: crowded.tell(sleep=0.05), 20) == {200}
    assert crowded.log_text().count("connect() to") == refused


def test_workers_that_were_asked_for_and_do_not_fit_end_the_start_with_the_arithmetic(launch, copied, measured):
    server = launch(copied, SAGEMAKER_MODEL_SERVER_WORKERS="4", SERVING_MEMORY_MB=memory_for(2, measured))
    assert server.exit_status() == 1
    message = server.logged("cannot start")["message"]
    assert "The memory is too small for 4 workers: the server takes" in message
    assert "Ask for 2 (SAGEMAKER_MODEL_SERVER_WORKERS=2), or choose a larger instance." in message


def test_a_model_for_which_there_is_no_room_at_all_ends_the_start(launch, copied, measured):
    server = launch(copied, SERVING_MEMORY_MB=str(measured["model_mb"]))
    assert server.exit_status() == 1
    assert "The memory is too small for 1 worker" in server.logged("cannot start")["message"]


def test_a_serverless_size_gets_one_worker(serve):
    """1 GB is little for any number of CPUs but one; with one there is one worker anyway."""
    server = serve("obedient", SERVING_MEMORY_MB="1024")
    plan = server.logged("planned")["plan"]
    assert (plan["workers"], plan["threads"]) == (1, max(1, int(plan["cpus"])))


@pytest.mark.only("host")
def test_four_workers_share_a_model_of_500_mb(serve, tmp_path):
    """Within 1.15 times the memory of one worker, each page of the model read again and again."""
    model = write_heavy_model(tmp_path / "model", LARGE)
    taken = {}
    for workers in (1, 4):
        server = serve(model, SAGEMAKER_MODEL_SERVER_WORKERS=str(workers))
        assert answers_at_once(partial(server.invoke, QUERY), workers * REQUESTS_PER_WORKER) == {200}
        taken[workers] = bytes_of(server)
        server.close()
    assert taken[4] <= 1.15 * taken[1], taken
