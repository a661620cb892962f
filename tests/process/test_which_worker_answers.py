"""An idle worker is never passed over for a busy one; and of idle ones it is the same each time."""

from collections import Counter
from contextlib import closing

import pytest

from process_helpers import in_background
from server import until


@pytest.fixture(scope="module")
def pair(begin):
    """A server with both of its two workers ready, in which nobody waits too long."""
    with closing(begin("obedient", SAGEMAKER_MODEL_SERVER_WORKERS="2", SERVING_MAX_WAIT="60")) as server:
        server.wait_until_ready()
        until(lambda: server.log_text().count("worker ready") == 2, "both workers")
        yield server


def workers_of(requests):
    """Return how many of *requests* each worker has answered."""
    return Counter(request.result().json()["pid"] for request in requests)


def test_callers_who_come_one_after_another_find_the_same_warm_worker(pair):
    assert len({pair.tell().json()["pid"] for _ in range(30)}) == 1


def test_two_callers_at_once_have_a_worker_each(pair):
    for _ in range(3):
        assert len(workers_of(in_background(lambda _: pair.tell(sleep=1), *range(2)))) == 2


@pytest.mark.parametrize("callers", [4, 12])
def test_many_callers_at_once_are_shared_out_evenly(pair, callers):
    few, many = sorted(workers_of(in_background(lambda _: pair.tell(sleep=0.7), *range(callers))).values())
    assert many - few <= 1
