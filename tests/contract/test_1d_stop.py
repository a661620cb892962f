"""Stopping: SIGTERM, and 30 seconds."""

import signal
import time
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from contract.clauses import PROFILES, clause
from server import until

IN_FLIGHT = 4
PAUSE_SECONDS = 1.0  # how long the rest of a body is held back after SIGTERM
GOOD_ENDS = (0, 128 + signal.SIGTERM, -signal.SIGTERM)


@clause(
    "1.28",
    "finish what is in flight after SIGTERM, and end within 30 s",
    "On SIGTERM, take nothing new, wait for what is in flight, then exit with 0. Have the signal arrive: exec form.",
    required=PROFILES,
)
def test_what_is_in_flight_is_answered_before_the_end(start, answer, sample, limits, saw):
    """Sends the first half of some requests, then SIGTERM, then the rest a second later."""
    server = start()
    began = [begin_request(server, sample) for _ in range(IN_FLIGHT)]
    time.sleep(PAUSE_SECONDS)  # each is read, or waiting to be, and no server knows how to tell
    server.send(signal.SIGTERM)
    asked = time.monotonic()
    time.sleep(PAUSE_SECONDS)
    statuses = [finish_request(connection, sample) for connection in began]
    until(server.has_ended, "the end after SIGTERM", patience=limits.stop_seconds)
    seconds = time.monotonic() - asked
    saw(f"answers to {IN_FLIGHT} requests: {statuses} (0: cut); status {server.exit_status()} after {seconds:.1f} s")
    assert statuses == [200] * IN_FLIGHT
    assert server.exit_status() in GOOD_ENDS


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
