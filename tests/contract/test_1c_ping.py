"""`/ping`: how SageMaker learns whether a container can serve."""

import time

import requests

from contract.clauses import PROFILES, clause
from contract.load import under_load

PINGS_UNDER_LOAD = 15


@clause(
    "1.20",
    "answer /ping to GET, and to POST",
    "Let the route of /ping take POST too: AWS's own page names both methods.",
    required=PROFILES,
)
def test_ping_takes_get_and_post(server, saw):
    """Sends GET and POST to /ping."""
    answers = {method: requests.request(method, f"{server.url}/ping", timeout=10) for method in ("GET", "POST")}
    saw(", ".join(f"{method}: {answer.status_code}" for method, answer in answers.items()))
    assert all(answer.status_code == 200 for answer in answers.values())


@clause(
    "1.22",
    "answer /ping within 2 s, also when every worker is busy",
    "Answer /ping where no prediction can hold it up: in nginx, or in a process or thread of its own.",
    required=PROFILES,
)
def test_ping_is_answered_under_load(start, answer, sample, limits, saw):
    """Keeps 32 callers busy for some seconds and times /ping beside them."""
    server = start()
    with under_load(server, sample) as statuses:
        seconds = [ping_seconds(server, limits.ping_seconds) for _ in range(PINGS_UNDER_LOAD)]
    saw(f"longest of {len(seconds)} pings: {max(seconds):.2f} s, beside {len(statuses)} requests")
    assert max(seconds) < limits.ping_seconds


def ping_seconds(server, patience):
    """Return how long `/ping` took, infinity for no answer."""
    time.sleep(0.2)
    began = time.monotonic()
    try:
        requests.get(f"{server.url}/ping", timeout=patience)
    except requests.RequestException:
        return float("inf")
    return time.monotonic() - began
