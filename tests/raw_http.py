"""HTTP as no client library would send it: bytes to a server's port, and what came back."""

import contextlib
import io
import json
import socket
from http.client import HTTPResponse
from typing import NamedTuple

from server import PATIENCE, Server

ID = "X-Amzn-SageMaker-Inference-Id"
CHUNKED = "Transfer-Encoding: chunked"
END = b"\r\n\r\n"


class Answer(NamedTuple):
    """A status, a media type and a body."""

    status: int
    content_type: str | None
    body: bytes


class Wire(io.BytesIO):
    """What came over a connection, as `HTTPResponse` wants to read it: one answer after the other."""

    def makefile(self, mode: str) -> "Wire":
        return self

    def close(self) -> None:
        """Stay open for the next answer."""


def head(*headers: str, first: str = "POST /invocations HTTP/1.1", host: str = "Host: x") -> bytes:
    """Return a request without its body; the connection is to be closed after it."""
    lines = [first, host, "Content-Type: text/csv", "Connection: close", *headers]
    return "\r\n".join(filter(None, lines)).encode("latin-1") + END


def with_length(body: bytes, *headers: str, first: str = "POST /invocations HTTP/1.1") -> bytes:
    """Return a request as it should be."""
    return head(*headers, f"Content-Length: {len(body)}", first=first) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), PATIENCE)


def exchange(server: Server, sent: bytes, half_closed: bool = False) -> list[Answer]:
    """Send these bytes over one connection, and return every answer until the server closes it."""
    with connected(server) as connection:
        with contextlib.suppress(ConnectionError):  # it may have refused before all of it was there
            connection.sendall(sent)
            if half_closed:
                connection.shutdown(socket.SHUT_WR)
        return answers_in(until_closed(connection))


def until_closed(connection: socket.socket) -> bytes:
    """Return what comes until the connection is closed; fail when it is not."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1 << 16):
            received += data
    return received


def answers_in(received: bytes) -> list[Answer]:
    """Return the answers, in the order in which they came."""
    wire, answers = Wire(received), []
    while wire.tell() < len(received):
        answer = HTTPResponse(wire)  # type: ignore[arg-type]
        answer.begin()
        answers.append(Answer(answer.status, answer.getheader("Content-Type"), answer.read()))
    return answers


def assert_ours(answer: Answer) -> None:
    """Assert that a refusal is in the form that all of ours have."""
    assert answer.content_type == "application/json", answer
    error = json.loads(answer.body)["error"]
    assert set(error) == {"code", "message", "request_id"}
    assert error["request_id"]
    assert len(answer.body) <= 1024
