"""Callers who break the rules of HTTP: a 4xx in our form or a closed connection, and a server that goes on."""

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from raw_http import CHUNKED, ID, chunk, connected, exchange, head
from raw_http import with_length as request
from server import MODELS, until
from unbroken import RINGS, ROW, Unbroken

SMUGGLED = request(ROW, f"{ID}: smuggled")
LENGTH = f"Content-Length: {len(ROW)}"
LAST = b"0\r\n\r\n"


@pytest.fixture(scope="module")
def unbroken(begin) -> Iterator[Unbroken]:
    with closing(begin(MODELS / "abalone", SAGEMAKER_MODEL_SERVER_WORKERS="1")) as server:
        server.wait_until_ready()
        yield Unbroken(server)


REFUSED_HEADS = {
    "a length and chunks": (head(CHUNKED, "Content-Length: 5"), 400),
    "chunks and a length": (head("Content-Length: 5", CHUNKED), 400),
    "chunks twice": (head(CHUNKED, CHUNKED), 400),
    "chunks of chunks": (head("Transfer-Encoding: chunked, chunked"), 501),
    "chunks in disguise": (head("Transfer-Encoding: xchunked"), 501),
    "chunks behind a tab": (head("Transfer-Encoding:\tchunked"), 501),
    "identity": (head(LENGTH, "Transfer-Encoding: identity"), 501),
    "a blank before the colon of an encoding": (head(LENGTH, "Transfer-Encoding : chunked"), 400),
    "a blank before the colon of a length": (head("Content-Length : 5"), 400),
    "an encoding behind a bare line feed": (head(LENGTH, "X-A: b\nTransfer-Encoding: chunked"), 400),
    "an encoding behind a bare carriage return": (head(LENGTH, "X-A: b\rTransfer-Encoding: chunked"), 400),
    "an encoding on a folded line": (head(LENGTH, "X-A: b\r\n Transfer-Encoding: chunked"), 400),
    "a folded header": (head(LENGTH, "X-A: b\r\n c"), 400),
    "a first header that is folded": (head(LENGTH, first="POST /invocations HTTP/1.1\r\n X: y"), 400),
    "chunks in HTTP/1.0": (head(CHUNKED, first="POST /invocations HTTP/1.0"), 400),
    "the same length twice": (head(LENGTH, LENGTH), 400),
    "two lengths": (head(LENGTH, "Content-Length: 1"), 400),
    "a list of lengths": (head(f"{LENGTH}, {len(ROW)}"), 400),
    "a negative length": (head("Content-Length: -1"), 400),
    "a length with a sign": (head(f"Content-Length: +{len(ROW)}"), 400),
    "a length that is no number": (head("Content-Length: ten"), 400),
    "a length in hexadecimal": (head("Content-Length: 0x2c"), 400),
    "an empty length": (head("Content-Length: "), 400),
    "a length of more than 64 bits": (head(f"Content-Length: {'9' * 30}"), 400),
    "a length beyond the limit": (head(f"Content-Length: {'9' * 15}"), 413),
    "NUL in a header": (head(LENGTH, "X-A: b\0c"), 400),
    "NUL in a header's name": (head(LENGTH, "X-\0A: bc"), 400),
    "a header without a name": (head(LENGTH, ": x"), 400),
    "no host": (head(LENGTH, host=""), 400),
    "two hosts": (head(LENGTH, "Host: y"), 400),
    "a request line of 20 KB": (head(LENGTH, first=f"POST /invocations?{'x' * 20_000} HTTP/1.1"), 431),
    "a header of 20 KB": (head(LENGTH, f"X-A: {'x' * 20_000}"), 431),
    "200 KB of headers": (head(LENGTH, *(f"X-{number}: {'x' * 2000}" for number in range(100))), 431),
    "10,000 headers": (head(LENGTH, *(f"X-{number}: y" for number in range(10_000))), 431),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(64), 400),
    "a proxy's CONNECT": (head(first="CONNECT x:80 HTTP/1.1"), 400),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED_HEADS.values(), ids=REFUSED_HEADS)
def test_a_head_that_can_be_read_in_two_ways_is_refused(unbroken, sent, status):
    """What follows it would be a request for whoever reads it the other way."""
    unbroken.refuses(sent + LAST + SMUGGLED, status)


BROKEN_CHUNKS = {
    "no number": b"zz\r\n",
    "a negative size": b"-1\r\n",
    "a size with its base": b"0x2c\r\n",
    "a size of 63 bits": b"7fffffffffffffff\r\n",
    "a size of 72 bits": b"ffffffffffffffffff\r\n",
    "more than the size": b"5\r\n",
}


@pytest.mark.parametrize("size", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
def test_chunks_that_do_not_add_up_are_refused(unbroken, size):
    unbroken.refuses(head(CHUNKED) + size + ROW + b"\r\n" + LAST + SMUGGLED, 400)


def test_chunks_whose_sum_is_beyond_the_limit_are_refused(unbroken):
    unbroken.refuses(head(CHUNKED) + chunk(bytes(1 << 20)) * 27 + LAST, 413)


READ_WHOLE = {
    "bare line feeds": request(ROW).replace(b"\r\n", b"\n"),
    "blanks around a length": head(f"Content-Length:  {len(ROW)} ") + ROW,
    "an underscore, which is no hyphen": request(ROW, "Transfer_Encoding: chunked"),
    "an offer to speak HTTP/2": request(ROW, "Upgrade: h2c"),
    "an expectation": request(ROW, "Expect: 100-continue"),
    "an expectation that nobody knows": request(ROW, "Expect: 200-maybe"),
    "an extension of a chunk": head(CHUNKED) + b"%x;a=b\r\n" % len(ROW) + ROW + b"\r\n" + LAST,
    "a trailer with a length": head(CHUNKED) + chunk(ROW) + b"0\r\nContent-Length: 3\r\nX: y\r\n\r\n",
    "chunks with bare line feeds": head(CHUNKED) + b"%x\n" % len(ROW) + ROW + b"\n0\n\n",
    "900 headers": request(ROW, *(f"X-{number}: y" for number in range(900))),
}


@pytest.mark.parametrize("sent", READ_WHOLE.values(), ids=READ_WHOLE)
def test_what_is_odd_but_clear_is_one_request(unbroken, sent):
    (answer,) = exchange(unbroken.server, sent.replace(b"Host: x", f"Host: x\r\n{ID}: odd".encode(), 1) + SMUGGLED)
    assert (answer.status, float(answer.body)) == (200, pytest.approx(RINGS))
    unbroken.goes_on()


def test_pipelined_requests_are_answered_in_their_order_and_none_twice(unbroken):
    first, second = (request(body, f"{ID}: piped").replace(b"Connection: close\r\n", b"") for body in (ROW, b"I,1\n"))
    answers = exchange(unbroken.server, first + second + first + request(ROW, f"{ID}: piped") + SMUGGLED)
    assert [answer.status for answer in answers] == [200, 400, 200, 200]
    unbroken.goes_on()
    assert len(unbroken.lines("piped")) == 4


def test_a_length_that_is_too_short_ends_the_body_there(unbroken):
    body = b"I,1\n" + SMUGGLED
    sent = request(body, f"{ID}: short").replace(b"Length: %d" % len(body), b"Length: 4")
    (answer,) = exchange(unbroken.server, sent)
    assert answer.status == 400
    unbroken.goes_on()
    assert [line["request_bytes"] for line in unbroken.lines("short")] == [4]


UNFINISHED = {
    "a length that is too long": head(f"Content-Length: {len(ROW) + 1}") + ROW,
    "chunks without an end": head(CHUNKED) + chunk(ROW),
    "half of a chunk": head(CHUNKED) + b"%x\r\nI,0" % len(ROW),
    "half of the headers": b"POST /invocations HTTP/1.1\r\nHost: x\r\n",
    "half of the first line": b"POST /invo",
    "nothing": b"",
}


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
def test_a_caller_who_stops_in_the_middle_costs_nothing(unbroken, sent):
    named = sent.replace(b"Host: x", f"Host: x\r\n{ID}: unfinished".encode(), 1)
    assert all(400 <= answer.status < 500 for answer in exchange(unbroken.server, named, half_closed=True))
    unbroken.goes_on()


def test_a_caller_who_has_sent_everything_may_close_his_half(unbroken):
    answers = exchange(unbroken.server, request(ROW), half_closed=True)
    assert [answer.status for answer in answers] in ([200], [])  # nginx may take it for a goodbye
    unbroken.goes_on()


OTHER_PATHS = {
    **dict.fromkeys(("/invocations/", "/./invocations", "/x/../invocations", "/ping/../invocations"), 404),
    **dict.fromkeys(("/%2e/invocations", "/invocations%2f", "/invocations;x", "/INVOCATIONS", "/ping/.."), 404),
    **dict.fromkeys(("/_error/bad_request", "/unhealthy.json", "/nginx.conf", "/draining", "/ping/"), 404),
    **dict.fromkeys(("http://x", "http://x/ping/../invocations", "/invocations%3fx", "/\\invocations"), 404),
    **dict.fromkeys(("/invocations%00", "/invocations\0", "/../invocations", "/..%2finvocations", "/%"), 400),
    **dict.fromkeys(("/invocations x", "/invocations\x80", "/\xfcber?x", "invocations", "*", "http://"), 400),
    "http://x/invocations%20HTTP/1.1%0d%0aHost:%20y%0d%0a": 404,
}


@pytest.mark.parametrize(("path", "status"), OTHER_PATHS.items())
def test_a_path_that_only_looks_like_ours_is_refused(unbroken, path, status):
    unbroken.refuses(request(ROW, first=f"POST {path} HTTP/1.1"), status)


@pytest.mark.parametrize("path", ["//invocations", "/%69nvocations", "/invocations?x=1#y", "http://x:1/invocations"])
def test_another_spelling_of_our_path_is_one_request(unbroken, path):
    (answer,) = exchange(unbroken.server, request(ROW, first=f"POST {path} HTTP/1.1") + SMUGGLED)
    assert answer.status == 200
    unbroken.goes_on()


IDLE = 300


@pytest.mark.parametrize(
    "sent", [b"", b"POST /invocations HTTP/1.1\r\nHost: x\r\n", head("Content-Length: 9999") + b"I,"],
    ids=["silent", "in their headers", "in their bodies"],
)  # fmt: skip
def test_callers_who_wait_keep_nobody_else_waiting(unbroken, sent):
    with ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(connected(unbroken.server)).sendall(sent)
        unbroken.goes_on()
        assert unbroken.server.ping().status_code == 200
    unbroken.goes_on()


def test_nothing_smuggled_was_answered_by_a_worker_or_by_nginx(unbroken):
    """The last test of the module, on what all others have sent."""
    unbroken.goes_on()
    lines = until(lambda: unbroken.lines("odd"), "the access lines")
    assert len(lines) == len(READ_WHOLE)
    assert not unbroken.lines("unfinished")
    assert '"smuggled"' not in unbroken.server.log_text()
    assert not unbroken.server.logged("worker gone")
    assert not [line for line in unbroken.server.log_lines() if line.get("level") in ("ERROR", "CRITICAL")]
