"""gunicorn's gevent worker, less the part that patches the user's Python."""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import gevent
from gevent import socket
from gunicorn.arbiter import Arbiter
from gunicorn.util import close
from gunicorn.workers.ggevent import GeventWorker

from serving.errors import StartError
from serving.hot_path import HotPath
from serving.service import ModelService

log = logging.getLogger(__name__)


class CooperativeWorker(GeventWorker):  # type: ignore[misc]  # gunicorn has no type information
    """
    A gevent worker in which only the server's own sockets are cooperative.

    Threads, locks and sockets in a user's `inference.py` are the real ones. The model runs in a native thread
    (`serving.native_thread`), so nothing of it ever needs patching.
    """

    slot: int | None = None  # which of nginx's upstream servers this worker is; set before the fork

    @property
    def service(self) -> ModelService:
        """Return the model service of the application that this worker serves."""
        return self.wsgi.extensions["model_service"]  # type: ignore[no-any-return]

    @property
    def hot_path(self) -> HotPath:
        """Return what answers plain invocations for that application."""
        return self.wsgi.extensions["hot_path"]  # type: ignore[no-any-return]

    def patch(self) -> None:
        """Make the listening sockets gevent's, as the base class does, and leave everything else alone."""
        self.sockets: list[socket.socket] = [
            socket.socket(listener.FAMILY, socket.SOCK_STREAM, fileno=listener.sock.detach())
            for listener in self.sockets
        ]

    def handle(self, listener: socket.socket, client: socket.socket, addr: Any) -> None:
        """Serve a connection: plain invocations here, and one request of another kind as the base class does."""
        client.setblocking(True)  # within its greenlet, that is
        try:
            unread = self.hot_path.serve(client, lambda: self.alive)
        except OSError as error:  # the caller has gone, or the stream to him broke: there is nobody to tell
            log.debug("connection lost: %s", error)
            unread = b""
        if unread:
            super().handle(listener, Unread(client, unread), addr)
        else:
            close(client)

    def start_service(self) -> None:
        """Make the model ready; a long load must not look like a hang to the arbiter."""
        heartbeat = gevent.spawn(self.beat)
        try:
            self.service.start()
        except StartError as error:
            log.critical("cannot start: %s", error)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        finally:
            heartbeat.kill()

    def open_socket(self, path: Path) -> None:
        """Accept from a socket of our own too; it refuses as soon as we die, and nginx turns to another worker."""
        path.unlink(missing_ok=True)  # our predecessor's
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen(self.cfg.backlog)
        self.sockets.append(listener)

    def beat(self) -> None:
        """Tell the arbiter that we live, until killed."""
        while True:
            super().notify()
            gevent.sleep(1.0)

    def notify(self) -> None:
        """Tell the arbiter that we live; end the process instead when the model is stuck."""
        if self.service.stuck:
            log.error("the model has been running past every deadline; this worker is replaced")
            # No clean-up: the stuck thread would be waited for. nginx sends what was queued here to another worker.
            os.kill(os.getpid(), signal.SIGKILL)
        super().notify()


class Unread:
    """A socket of which something was read already, which comes first when it is read again."""

    def __init__(self, connection: socket.socket, unread: bytes):
        self._connection, self._unread = connection, unread

    def recv(self, size: int) -> bytes:
        """Return what comes next, *size* bytes or fewer."""
        if not self._unread:
            return self._connection.recv(size)  # type: ignore[no-any-return]
        part, self._unread = self._unread[:size], self._unread[size:]
        return part

    def __getattr__(self, name: str) -> Any:
        """Return what the socket has by that name."""
        return getattr(self._connection, name)
