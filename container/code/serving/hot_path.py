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
from serving.body_room import BodyRoom
from serving.connections import AT_ONCE, Connection, has_gone, send_whole, with_body, with_head, without_body
from serving.counts import request_begins
from serving.errors import Overloaded, RequestError
from serving.inference import InferenceRequest, InferenceResponse, Timing
from serving.plain_requests import PlainHead, read_plain_head
from serving.quarantine import ORPHANED
from serving.refusals import JSON, refusal_of

PATH = "/invocations"
REASONS = {status.value: status.phrase.upper() for status in HTTPStatus}  # as Werkzeug spells them
CHUNKED = "Transfer-Encoding: chunked\r\nX-Accel-Buffering: no\r\n"  # nginx sends each part on when it is there


class Service(Protocol):
    """What answers."""

    def answer(self, request: InferenceRequest) -> InferenceResponse:
        """Return the model's answer, or raise `RequestError`."""


class HotPath:
    """Answers the plain requests of a connection, one after the other."""

    def __init__(self, service: Service, max_body_bytes: int | None, room: BodyRoom | None = None):
        """Leave bodies of more than *max_body_bytes* to Flask, which refuses them; hold as many as *room* has."""
        self._service = service
        self._max_body_bytes = max_body_bytes
        self._room = room or BodyRoom(None)

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
            goes_on, data = self._exchange(connection, exchange, data[end:], head)
            if not goes_on:
                return b""
            del exchange  # or it would be kept until the next request comes
        return b""

    def _exchange(
        self, connection: Connection, exchange: "Exchange", data: bytes, head: PlainHead
    ) -> tuple[bool, bytes]:
        """Answer a request of which *data* was read; return whether to go on, and what follows it."""
        length = head.length
        try:
            self._room.take(length, at_any_rate=ORPHANED in head.headers)  # a worker that has died had let it in
        except Overloaded as error:
            data = without_body(connection, data, length)
            return exchange.refuse(error), data
        try:
            body, data = with_body(connection, data, length)
            return len(body) == length and exchange.answer(self._service, body), data
        finally:
            self._room.give_back(length)


class Exchange:
    """One request and what goes back."""

    def __init__(self, connection: Connection, head: PlainHead, began: float, is_open: Callable[[], bool]):
        self._connection, self._head, self._began, self._is_open = connection, head, began, is_open
        self._request_id = head.headers.get("x-request-id") or uuid.uuid4().hex
        self._timing = Timing()

    def answer(self, service: Service, body: bytes) -> bool:
        """Answer the request with *body*; return whether the connection can take another one."""
        request_begins(PATH)
        try:
            answer = service.answer(self._request(body))
        except Exception as error:  # whatever it is, the caller gets an answer
            return self._refuse(error)
        return self._send(HTTPStatus.OK.value, answer) if answer.rest is None else self._stream(answer)

    def refuse(self, error: RequestError) -> bool:
        """Answer a request that the model's side never hears of; return whether the connection can take another."""
        request_begins(PATH)
        return self._refuse(error)

    def _refuse(self, error: Exception) -> bool:
        refusal = refusal_of(error, self._request_id)
        return self._send(refusal.status, InferenceResponse(refusal.body, JSON, refusal.headers), refusal.code)

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

    def _send(self, status: int, answer: InferenceResponse, code: str | None = None) -> bool:
        stays_open = self._is_open()
        framing = (
            f"Content-Length: {len(answer.body)}\r\n"
            if stays_open
            else (f"Content-Length: {len(answer.body)}\r\nConnection: close\r\n")
        )
        try:
            send_whole(self._connection, self._head_of(status, answer, framing) + answer.body)
        finally:
            log_access(self._line(status, len(answer.body), code), self._began, self._timing)
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
            log_stream_access(rest, self._line(status, None), self._began, self._timing)
        return whole and self._is_open()

    def _head_of(self, status: int, answer: InferenceResponse, framing: str) -> bytes:
        more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        return (
            f"HTTP/1.1 {status} {REASONS.get(status, 'UNKNOWN')}\r\nContent-Type: {answer.content_type}\r\n"
            f"X-Request-Id: {self._request_id}\r\n{more}{framing}\r\n"
        ).encode("latin-1")

    def _line(self, status: int, response_bytes: int | None, code: str | None = None) -> dict[str, Any]:
        line = {
            "request_id": self._request_id,
            "method": "POST",
            "path": PATH,
            "status": status,
            "request_bytes": self._head.length,
            "response_bytes": response_bytes,
        }
        return {**line, "code": code} if code else line
