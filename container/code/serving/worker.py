"""gunicorn's gevent worker, less the part that patches the user's Python."""

import faulthandler
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
import uuid
from pathlib import Path
from typing import IO, Any

import gevent
from gevent import socket
from gunicorn.arbiter import Arbiter
from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName, ParseException
from gunicorn.util import close
from gunicorn.workers.ggevent import GeventWorker

from serving.counts import OURS
from serving.deaths import UNKNOWN, Death
from serving.errors import BadRequest, StartError
from serving.hot_path import HotPath
from serving.leaving import leave
from serving.metric_cells import WAITING
from serving.overload_sign import OverloadSign, sign_path
from serving.quarantine import Quarantine
from serving.refusals import JSON, refusal_of
from serving.service import ModelService
from serving.worker_table import REFUSED, STUCK, Row

log = logging.getLogger(__name__)


class CooperativeWorker(GeventWorker):  # type: ignore[misc]  # gunicorn has no type information
    """
    A gevent worker in which only the server's own sockets are cooperative.

    Threads, locks and sockets in a user's `inference.py` are the real ones. The model runs in a native thread
    (`serving.native_thread`), so nothing of it ever needs patching.
    """

    slot: int | None = None  # which of nginx's upstream servers this worker is; set before the fork
    asked = False  # whether the arbiter has told it to end
    death: Death = UNKNOWN  # found by the arbiter

    born_at: float
    stack_file: IO[bytes]

    def be_born(self) -> None:
        """Make, in the arbiter, a file for the stack of a crash, for then none can be opened any more."""
        self.born_at = time.monotonic()
        self.stack_file = tempfile.TemporaryFile(dir=self.cfg.worker_tmp_dir)  # noqa: SIM115 - open while it lives

    def stack_left(self) -> str:
        """Return, in the arbiter, what the dead worker wrote when native code crashed."""
        with self.stack_file as file:
            file.seek(0)
            return file.read().decode(errors="replace")

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

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Refuse in JSON what gunicorn's parser refuses; its own page is HTML, and repeats what the caller sent."""
        if not isinstance(exc, ParseException) or isinstance(exc, InvalidResponseHeader | InvalidResponseHeaderName):
            super().handle_error(req, client, addr, exc)
            return
        request_id = uuid.uuid4().hex
        log.warning("a request could not be read", extra={"request_id": request_id, "reason": type(exc).__name__})
        body = refusal_of(BadRequest(f"The request's head cannot be read ({type(exc).__name__})."), request_id).body
        head = f"HTTP/1.1 400 BAD REQUEST\r\nContent-Type: {JSON}\r\nX-Request-Id: {request_id}\r\n"
        try:
            client.sendall(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        except OSError as error:
            log.debug("connection lost: %s", error)

    @property
    def row(self) -> Row:
        """Return where this worker notes what it does."""
        return self.wsgi.extensions["worker_table"].row(self.slot)  # type: ignore[no-any-return]

    def start_service(self, run_dir: Path) -> None:
        """Make the model ready; a long load must not look like a hang to the arbiter."""
        table = self.wsgi.extensions["worker_table"]
        faulthandler.enable(self.stack_file)
        self.row.begin(os.getpid())
        heartbeat = gevent.spawn(self.beat)
        try:
            self.service.start(Quarantine(table, self.slot), OverloadSign(table, self.row, sign_path(run_dir)))
            self.row.ready(time.monotonic_ns())
        except StartError as error:
            log.critical("cannot start: %s", error)
            self.row.note(REFUSED)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        finally:
            heartbeat.kill()

    def run(self) -> None:
        """Serve until told to end; nobody waits for a model by then."""
        super().run()
        if self.service.computes:
            leave()

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
            where = {"stack": stack_of("model")}
            log.error("the model has been running past every deadline; this worker is replaced", extra=where)
            self.row.note(STUCK)
            # No clean-up: the stuck thread would be waited for. nginx sends what was queued here to another worker.
            os.kill(os.getpid(), signal.SIGKILL)
        OURS.set(WAITING, self.service.waiting)
        super().notify()


def stack_of(name: str) -> str:
    """Return where the thread of that name is now, the innermost call last."""
    idents = [thread.ident for thread in threading.enumerate() if thread.name == name]
    frames = sys._current_frames()  # noqa: SLF001 - the documented way to see another thread's
    return "".join(line for ident in idents if ident in frames for line in traceback.format_stack(frames[ident]))


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
