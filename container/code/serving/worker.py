"""gunicorn's gevent worker, less the part that patches the user's Python."""

import logging
import os
import signal
import sys

import gevent
from gevent import socket
from gunicorn.arbiter import Arbiter
from gunicorn.workers.ggevent import GeventWorker

from serving.errors import StartError
from serving.service import ModelService

log = logging.getLogger(__name__)


class CooperativeWorker(GeventWorker):  # type: ignore[misc]  # gunicorn has no type information
    """
    A gevent worker in which only the server's own sockets are cooperative.

    Threads, locks and sockets in a user's `inference.py` are the real ones. The model runs in a native thread
    (`serving.native_thread`), so nothing of it ever needs patching.
    """

    slot = 0  # which of the arbiter's sockets this worker accepts from; set before the fork

    @property
    def service(self) -> ModelService:
        """Return the model service of the application that this worker serves."""
        return self.wsgi.extensions["model_service"]  # type: ignore[no-any-return]

    def patch(self) -> None:
        """Make our listening socket gevent's, as the base class does with all, and leave everything else alone."""
        own = self.sockets[self.slot]
        for listener in self.sockets:
            if listener is not own:
                listener.sock.close()
        self.sockets: list[socket.socket] = [socket.socket(own.FAMILY, socket.SOCK_STREAM, fileno=own.sock.detach())]

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
