"""Errors: what the caller learns of them, and what they leave behind."""

import secrets
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from contract.asking import (
    ENDPOINTS,
    ask_sample,
    fetch,
    is_fault_of_the_caller,
    is_fault_of_the_server,
    status_of,
    told,
)
from contract.bad_bodies import ask_with, has_syntax, undecodable, words_for_data
from contract.clauses import PROFILES, clause
from contract.load import callers_for

ROUNDS = 2
TRACEBACK = b"Traceback (most recent call last)"


@clause(
    "1.42",
    "keep error answers short, and free of input and code",
    "Answer errors in words of your own, not with str(error) or a traceback: callers and their logs get all of it.",
    recommended=PROFILES,
)
def test_errors_are_short_and_tell_no_secrets(server, sample, answer, limits, saw):
    """Sends requests that cannot be answered, with a random word in them, and reads what comes back."""
    word = secrets.token_hex(8).encode()
    bodies = [undecodable(sample, word), *words_for_data(sample, word)]
    answers = [fetch(server, "/there-is-nothing-here"), *(ask_with(server, sample, body) for body in bodies)]
    errors = [given for given in answers if given.status_code >= 400]
    longest = max((len(given.content) for given in errors), default=0)
    traceback = any(TRACEBACK in given.content for given in errors)
    echo = any(word in given.content.lower() for given in errors)
    saw(
        f"{len(errors)} errors, the longest of {longest} bytes; "
        f"{'a' if traceback else 'no'} traceback, {'a' if echo else 'no'} word of the input"
    )
    assert longest <= limits.error_bytes
    assert not traceback
    assert not echo


@clause(
    "1.43",
    "recover from callers that give up",
    "Free in a `finally` what a request takes (locks, connections, slots), and drop what queued for a caller who left.",
    required=ENDPOINTS,
)
def test_callers_that_give_up_leave_nothing_behind(start, sample, answer, limits, saw):
    """Twice sends up to 32 requests and hangs up at once; then sends the sample."""
    server = start()
    callers = callers_for(answer)
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(lambda _: give_up(server, sample), range(ROUNDS * callers)))
    patience = limits.recovery_seconds + ROUNDS * callers * answer.elapsed.total_seconds()
    began = time.monotonic()
    after = ask_sample(server, sample, seconds=patience)
    saw(f"after {ROUNDS * callers} abandoned requests: {status_of(after)} in {time.monotonic() - began:.1f} s")
    assert after.status_code == 200


def give_up(server, sample):
    """Send a request and close the connection."""
    address = urlsplit(server.url)
    head = (
        f"POST /invocations HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Content-Type: {sample.content_type}\r\nContent-Length: {len(sample.body)}\r\n\r\n"
    )
    try:
        with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
            connection.sendall(head.encode() + sample.body)
    except OSError:
        return  # it was the server that gave up: nothing can be left of that


@clause(
    "1.46",
    "say with the status whose fault an error is",
    "Answer 4xx for what the caller can mend: 400 for a body that cannot be read, 404, 405. "
    "5xx counts as yours in CloudWatch, and 200 hides the error.",
    recommended=PROFILES,
)
def test_statuses_say_whose_fault_it_is(server, sample, answer, saw):
    """Sends a body that cannot be decoded, an empty one, GET to /invocations, and a request to an unknown path."""
    broken = ask_with(server, sample, undecodable(sample, b"broken"))
    empty = ask_with(server, sample, b"")
    astray = {
        "GET /invocations": fetch(server, "/invocations"),
        "unknown path": fetch(server, "/there-is-nothing-here"),
    }
    saw(told({"undecodable": broken, "empty": empty, **astray}))
    assert not is_fault_of_the_server(broken)
    assert not is_fault_of_the_server(empty)
    assert is_fault_of_the_caller(broken) or not has_syntax(sample)
    assert all(is_fault_of_the_caller(given) for given in astray.values())
