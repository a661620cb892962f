"""`/ping`: how SageMaker learns whether a container can serve."""

import time

from contract.asking import UNHEARD_OF, fetch, told
from contract.clauses import PROFILES, clause
from contract.load import callers_for, under_load

PINGS_UNDER_LOAD = 10
LONGEST_BODY = 1  # AWS's own sample answers a line feed


@clause(
    "1.20",
    "answer /ping with 200 to GET, and to POST",
    "Let the route of /ping take POST too (AWS's own page names both), heed no Accept, and redirect nowhere.",
    required=PROFILES,
    quick=True,
)
def test_ping_takes_get_and_post(server, saw):
    """Sends GET and POST to /ping, and GET with an Accept that nobody knows; follows no redirect."""
    answers = {
        "GET": fetch(server, "/ping"),
        "POST": fetch(server, "/ping", "POST"),
        f"GET with Accept: {UNHEARD_OF}": fetch(server, "/ping", Accept=UNHEARD_OF),
    }
    saw(told(answers))
    assert all(answer.status_code == 200 for answer in answers.values())


@clause(
    "1.21",
    "answer /ping with an empty body",
    "Answer the bare status: in Flask, `return '', 200`. SageMaker looks at nothing else.",
    recommended=PROFILES,
    quick=True,
)
def test_ping_has_an_empty_body(server, saw):
    """Reads the body of the answer to GET /ping; a line feed, as in AWS's sample, counts as nothing."""
    body = fetch(server, "/ping").content
    saw(f"{len(body)} bytes: {body[:40]!r}" if body else "0 bytes")
    assert len(body) <= LONGEST_BODY


@clause(
    "1.22",
    "answer /ping within 2 s, also when every worker is busy",
    "Answer /ping where no prediction can hold it up: in nginx or a process of its own, or with gunicorn's "
    "`--worker-class gthread` and more threads (`--threads 64`) than requests come at once.",
    required=PROFILES,
)
def test_ping_is_answered_under_load(server, answer, sample, limits, saw):
    """Keeps up to 32 callers busy and times /ping beside them."""
    with under_load(server, sample, callers_for(answer)) as statuses:
        seconds = [ping_seconds(server, limits.ping_seconds) for _ in range(PINGS_UNDER_LOAD)]
    longest = f"{max(seconds):.2f} s" if max(seconds) < float("inf") else "not answered with 200"
    saw(f"longest of {len(seconds)} pings: {longest}, beside {len(statuses)} requests")
    assert max(seconds) < limits.ping_seconds


def ping_seconds(server, patience):
    """Return how long `/ping` took, infinity for anything but 200."""
    time.sleep(0.1)
    began = time.monotonic()
    is_healthy = fetch(server, "/ping", seconds=patience).status_code == 200
    return time.monotonic() - began if is_healthy else float("inf")
