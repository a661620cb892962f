"""
The hot path: a plain `POST /invocations` from nginx, without gunicorn's parser and Flask's request context.

They cost some 250 us of CPU a request, which is more than many a model does. What the routes are, predictor.py says;
this one is written a second time for speed, and tests hold the two against each other. Whatever is not plain takes the
way through gunicorn and Flask, which is always right.
"""

import time
import uuid
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import Any, Protocol

from serving.access import log_access, log_stream_access
from serving.connections import has_gone
from serving.inference import InferenceRequest, InferenceResponse, Timing
from serving.plain_requests import END_OF_HEAD, PlainHead, read_plain_head
from serving.refusals import JSON, refusal_of

AT_ONCE = 1 << 16  # bytes that are read at once
MAX_HEAD = 1 << 18  # bytes; nginx lets less through
REASONS = {status.value: status.phrase.upper() for status in HTTPStatus}  # as Werkzeug spells them
CHUNKED = "Transfer-Encoding: chunked\r\nX-Accel-Buffering: no\r\n"  # nginx sends each part on when it is there


class Connection(Protocol):
    """A connected socket."""

    def fileno(self) -> int:
        """Return the descriptor, -1 when it is closed."""

    def send(self, data: bytes) -> int:
        """Send the beginning of *data*; return how many bytes that was."""

    def recv(self, size: int) -> bytes:
        """Return up to *size* bytes, none at the end."""

    def sendall(self, data: bytes) -> None:
        """Send everything."""


class Service(Protocol):
    """What answers."""

    def answer(self, request: InferenceRequest) -> InferenceResponse:
        """Return the model's answer, or raise `RequestError`."""


class HotPath:
    """Answers the plain requests of a connection, one after the other."""

    def __init__(self, service: Service, max_body_bytes: int | None):
        """Leave bodies of more than *max_body_bytes* to Flask, which refuses them."""
        self._service = service
        self._max_body_bytes = max_body_bytes

    def serve(self, connection: Connection, is_open: Callable[[], bool]) -> bytes:
        """
        Answer until the caller has gone, or sends something that is not plain.

        Args:
            is_open: tells whether the server takes further requests.

        Returns:
            What was read of the request that is not plain, nothing when the connection has come to its end.
        """
        data = b""
        while data := data or connection.recv(AT_ONCE):
            data, end = with_head(connection, data)
            head = read_plain_head(data[:end], self._max_body_bytes)
            if head is None:
                return data
            exchange = Exchange(connection, head, time.monotonic(), is_open)
            body, data = with_body(connection, data[end:], head.length)
            if len(body) < head.length or not exchange.answer(self._service, body):
                return b""
            del body, exchange  # or they would be kept until the next request comes
        return b""


class Exchange:
    """One request and what goes back."""

    def __init__(self, connection: Connection, head: PlainHead, began: float, is_open: Callable[[], bool]):
        self._connection, self._head, self._began, self._is_open = connection, head, began, is_open
        self._request_id = head.headers.get("x-request-id") or uuid.uuid4().hex
        self._timing = Timing()

    def answer(self, service: Service, body: bytes) -> bool:
        """Answer the request with *body*; return whether the connection can take another one."""
        try:
            answer = service.answer(self._request(body))
        except Exception as error:  # whatever it is, the caller gets an answer
            refusal = refusal_of(error, self._request_id)
            return self._send(refusal.status, InferenceResponse(refusal.body, JSON, refusal.headers))
        return self._send(HTTPStatus.OK.value, answer) if answer.rest is None else self._stream(answer)

    def _request(self, body: bytes) -> InferenceRequest:
        headers = self._head.headers
        return InferenceRequest(
            body=body,
            content_type=headers.get("content-type"),
            accept=headers.get("accept"),
            content_encoding=headers.get("content-encoding", "").strip().lower(),
            request_id=self._request_id,
            headers=headers,
            timing=self._timing,
            has_gone=partial(has_gone, self._connection),
        )

    def _send(self, status: int, answer: InferenceResponse) -> bool:
        stays_open = self._is_open()
        framing = (
            f"Content-Length: {len(answer.body)}\r\n"
            if stays_open
            else (f"Content-Length: {len(answer.body)}\r\nConnection: close\r\n")
        )
        try:
            send_whole(self._connection, self._head_of(status, answer, framing) + answer.body)
        finally:
            log_access(self._line(status, len(answer.body)), self._began)
        return stays_open

    def _stream(self, answer: InferenceResponse) -> bool:
        status, whole = HTTPStatus.OK.value, False
        rest: Any = answer.rest
        try:
            self._connection.sendall(self._head_of(status, answer, CHUNKED))
            for part in chain((answer.body,), rest):
                self._connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
            self._connection.sendall(b"0\r\n\r\n")
            whole = True
        finally:
            log_stream_access(rest, self._line(status, None), self._began)
        return whole and self._is_open()

    def _head_of(self, status: int, answer: InferenceResponse, framing: str) -> bytes:
        more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        return (
            f"HTTP/1.1 {status} {REASONS.get(status, 'UNKNOWN')}\r\nContent-Type: {answer.content_type}\r\n"
            f"X-Request-Id: {self._request_id}\r\n{more}{framing}\r\n"
        ).encode("latin-1")

    def _line(self, status: int, response_bytes: int | None) -> dict[str, Any]:
        return {
            "request_id": self._request_id,
            "method": "POST",
            "path": "/invocations",
            "status": status,
            "request_bytes": self._head.length,
            "response_bytes": response_bytes,
        }


def send_whole(connection: Connection, data: bytes) -> None:
    """Send *data*: in one go, as nearly always, for that is cheaper than asking for all of it to be sent."""
    sent = connection.send(data)
    if sent < len(data):
        connection.sendall(data[sent:])


def with_head(connection: Connection, data: bytes) -> tuple[bytes, int]:
    """Return *data* and what follows it until the request's head is whole, and where the head ends, 0 if nowhere."""
    while (found := data.find(END_OF_HEAD)) < 0:
        if len(data) > MAX_HEAD or not (more := connection.recv(AT_ONCE)):
            return data, 0
        data += more
    return data, found + len(END_OF_HEAD)


def with_body(connection: Connection, data: bytes, length: int) -> tuple[bytes, bytes]:
    """Return a body of *length* bytes that begins with *data*, shorter if the caller has gone, and what follows it."""
    if len(data) >= length:
        return data[:length], data[length:]
    parts, missing = [data], length - len(data)
    while missing and (part := connection.recv(min(missing, 16 * AT_ONCE))):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts), b""
