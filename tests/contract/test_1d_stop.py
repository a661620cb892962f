"""Stopping: SIGTERM, and 30 seconds."""

import os
import signal
import time
from http.client import HTTPConnection, HTTPException
from textwrap import shorten
from urllib.parse import urlsplit

from contract.asking import ask_sample
from contract.clauses import PROFILES, clause
from contract.inside import children, first_process, kinds
from contract.running import POLL_SECONDS, is_healthy
from contract.surroundings import settled_status
from contract.targets import not_applicable

IN_FLIGHT = 4
LONGEST_WORK = 20.0  # seconds: a slow model is sent no more than it can answer, one by one, before SageMaker kills it
PAUSE_SECONDS = 1.0  # how long the rest of a body is held back after SIGTERM
NOTICED_SECONDS = 1.0  # how long a parent may take to see that its child has gone
GOES_ON = "it goes on"
NOTHING = "it neither answers nor ends"
AS_A_SUCCESS = "it ended with 0, which says that all is well"
GOOD_ENDS = (0, 128 + signal.SIGTERM, -signal.SIGTERM)


@clause(
    "1.28",
    "finish what is in flight after SIGTERM, and end within 30 s",
    "On SIGTERM, send nginx SIGQUIT and gunicorn SIGTERM, wait until both have ended, then exit with 0; gunicorn's "
    "--graceful-timeout is 30 s by default: lower it. Have the signal arrive: ENTRYPOINT in exec form.",
    required=PROFILES,
    quick=True,
)
def test_what_is_in_flight_is_answered_before_the_end(start, answer, sample, limits, saw):
    """Sends the first half of some requests, then SIGTERM, then the rest a second later."""
    server = start()
    settled_status(server, sample)
    count = max(1, min(IN_FLIGHT, int(LONGEST_WORK / max(answer.elapsed.total_seconds(), 0.001))))
    began = [begin_request(server, sample) for _ in range(count)]
    time.sleep(PAUSE_SECONDS)  # each is read, or waiting to be, and no server knows how to tell
    server.send(signal.SIGTERM)
    asked = time.monotonic()
    time.sleep(PAUSE_SECONDS)
    statuses = [finish_request(connection, sample) for connection in began]
    while not server.has_ended() and time.monotonic() - asked <= limits.stop_seconds:
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - asked
    status = server.exit_status() if server.has_ended() else None
    end = "no end yet" if status is None else f"status {status}"
    saw(f"answers to {count} requests: {statuses} (0: cut); {end} after {seconds:.1f} s")
    assert statuses == [200] * count
    assert seconds <= limits.stop_seconds
    assert status in GOOD_ENDS


def begin_request(server, sample):
    """Send the head and half of the body."""
    address = urlsplit(server.url)
    connection = HTTPConnection(address.hostname, address.port, timeout=60)
    connection.putrequest("POST", "/invocations")
    connection.putheader("Content-Type", sample.content_type)
    connection.putheader("Content-Length", str(len(sample.body)))
    connection.endheaders(sample.body[: len(sample.body) // 2])
    return connection


def finish_request(connection, sample):
    """Send the rest; return the status of the answer, 0 if there is none."""
    try:
        connection.send(sample.body[len(sample.body) // 2 :])
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


@clause(
    "1.29",
    "end, and not with 0, when a part of the server has died; or replace it",
    "Let the first process wait for all of its children (os.wait, `wait -n`), and exit with 1 as soon as one of them "
    "has ended: a container that lives on without its server is not replaced as long as /ping answers.",
    recommended=PROFILES,
)
def test_the_death_of_a_part_is_not_hidden(start, answer, sample, limits, saw):
    """Kills each kind of child of the first process with SIGKILL, one at a time, and waits for the end or an answer."""
    server = start()
    count = len(kinds(children(first_process(server))))
    if not count:
        not_applicable("there is only one process: when it dies, the container ends")
    outcomes = {}
    for number in range(count):
        server = start() if number else server
        outcomes.update(after_the_death_of(number, server, sample, limits.recovery_seconds))
    saw("; ".join(f"without {shorten(command, 50)}: {outcome}" for command, outcome in outcomes.items()))
    assert not any(outcome in (NOTHING, AS_A_SUCCESS) for outcome in outcomes.values())


def after_the_death_of(number, server, sample, seconds):
    """Kill a child of that kind; return its command line and what came of it."""
    commands = children(first_process(server))
    alike = kinds(commands)
    # By number, not by name: a command line may hold a folder that is new with each start.
    kind = sorted(alike)[min(number, len(alike) - 1)]
    victim = alike[kind][0]
    os.kill(victim, signal.SIGKILL)
    return {commands[victim]: outcome_for(server, sample, seconds)}


def outcome_for(server, sample, seconds):
    """Return what a server that has lost a part comes to."""
    deadline = time.monotonic() + seconds
    time.sleep(NOTICED_SECONDS)
    while not server.has_ended() and time.monotonic() < deadline:
        if is_healthy(server) and ask_sample(server, sample).status_code == 200:
            return GOES_ON
        time.sleep(0.2)
    if not server.has_ended():
        return NOTHING
    return f"it ended with {status}" if (status := server.exit_status()) else AS_A_SUCCESS
