"""
The HTTP server: Werkzeug's own, with a thread for each request.

It is one process, streams in HTTP/1.1 without a buffer, hands out the caller's socket, and ends when it is told to;
gunicorn's master, workers and timeouts would all be in the way of a tool for one developer.
"""

import os
import signal
import socket
import threading
from types import FrameType
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

HOST = "127.0.0.1"  # nothing here asks who is calling
BACKLOG = 128


class Handler(WSGIRequestHandler):
    """A connection: small parts go out at once, and the application writes the access line."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, *_: Any) -> None:
        """Write nothing."""


def listen(port: int) -> socket.socket:
    """Return a socket that listens; raise `OSError` if the port is taken."""
    return socket.create_server((HOST, port), backlog=BACKLOG)


def serve(listener: socket.socket, app: Any) -> BaseWSGIServer:
    """Start serving, in a thread."""
    with listener:
        server = make_server(HOST, 0, app, threaded=True, request_handler=Handler, fd=listener.fileno())
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    return server


class Termination:
    """
    SIGTERM and SIGINT, which are waited for from its making on.

    The kernel may hand two signals that come at once to a thread that is not the main one: Python's handlers then wait
    for the main thread, and that for nothing. So it waits for a byte, which Python's own part writes in any thread.
    """

    def __init__(self) -> None:
        self._reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _go_on)

    def wait(self) -> None:
        """Return when a signal has come."""
        os.read(self._reading, 1)


def _go_on(_signal: int, _frame: FrameType | None) -> None:
    """Do nothing: that the signal has come is known already."""


def termination() -> Termination:
    """Return what waits for SIGTERM and SIGINT, from now on."""
    return Termination()
