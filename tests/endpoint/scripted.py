"""Containers for what our own server never does: refuse to answer, die at a moment of the test's choice, count."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE = 60.0  # seconds that a script waits for its gate, at most


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedContainer:
    """A server that keeps what it receives and leaves each answer to a script, which has the HTTP handler."""

    def __init__(self, script: Callable[[BaseHTTPRequestHandler], None], ping: int = 200):
        self.script = script
        self.ping = ping
        self.requests: list[Received] = []
        container = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                container.requests.append(Received(self.path, dict(self.headers), body))
                self.body = body
                container.script(self)

            def do_GET(self) -> None:
                send(self, container.ping, b"")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    begin(handler, status, **headers, Content_Length=str(len(body)))
    handler.wfile.write(body)


def begin(handler: BaseHTTPRequestHandler, status: int, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def chunk(handler: BaseHTTPRequestHandler, part: bytes) -> None:
    handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")


# -- scripts


def echo(handler: Any) -> None:
    """Answer with the request's body and type."""
    send(handler, 200, handler.body, Content_Type=handler.headers.get("Content-Type", "text/plain"))


def answers(status: int, body: bytes = b"", **headers: str) -> Callable[[Any], None]:
    return lambda handler: send(handler, status, body, **headers)


def cuts(handler: Any) -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def announces(status: int, length: int, body: bytes) -> Callable[[Any], None]:
    """Begin an answer of a certain length, and close after less."""

    def script(handler: Any) -> None:
        begin(handler, status, Content_Length=str(length))
        handler.wfile.write(body)
        handler.close_connection = True

    return script


def streams(*steps: bytes | threading.Event, ends: bool = True, **headers: str) -> Callable[[Any], None]:
    """Send parts, and wait for the gates between them; without an end, close in the middle of the body."""

    def script(handler: Any) -> None:
        begin(handler, 200, Transfer_Encoding="chunked", **headers)
        with suppress(ConnectionError):  # the other side may have had enough
            for step in (*steps, *([b""] if ends else [])):
                if isinstance(step, bytes):
                    chunk(handler, step)
                else:
                    step.wait(PATIENCE)
        handler.close_connection = True

    return script


def waits(gate: threading.Event) -> Callable[[Any], None]:
    """Answer nothing until the gate opens."""

    def script(handler: Any) -> None:
        gate.wait(PATIENCE)
        with suppress(OSError):
            send(handler, 200, b"late")

    return script


def streams_until_left(left: threading.Event) -> Callable[[Any], None]:
    """Send one part, then wait for the other side to hang up."""

    def script(handler: Any) -> None:
        begin(handler, 200, Transfer_Encoding="chunked")
        chunk(handler, b"first")
        handler.connection.settimeout(PATIENCE)
        with suppress(ConnectionResetError):
            assert handler.connection.recv(1) == b""
        left.set()
        handler.close_connection = True

    return script
