"""
A small server that keeps every clause of SageMaker's contract, made to be broken one clause at a time.

It is not the template's server and shares no code with it, so that the suite is judged by somebody else's work.
Each method is one behaviour; a mutant (`answers.py`, `surroundings.py`) overrides one. This half starts and stops;
what a request gets is in `handler.py`.
"""

import json
import os
import signal
from pathlib import Path

import gevent
from gevent import socket
from gevent.lock import BoundedSemaphore
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from mutants.handler import Handler

LOAD_SECONDS = 0.3
DRAIN_SECONDS = 20


class Reference(Handler):
    """The whole server. `main` is what `serve` runs: a parent that watches its children, which answer."""

    backlog = 512
    workers = 1
    protocol = WSGIHandler

    # -- the parent, PID 1

    def main(self):
        """Start the children, wait for them, and end as the first of them ends."""
        self.refuse_surroundings()
        self.children = set()
        self.children |= {self.start_child() for _ in range(self.workers)}
        signal.signal(signal.SIGTERM, lambda number, frame: self.on_sigterm())
        return self.end_status(self.watch()[0])

    def refuse_surroundings(self):
        """Refuse nothing: any user, host name, terminal and file system will do."""

    def start_child(self):
        child = os.fork()
        if child == 0:
            self.serve()
            os._exit(0)
        return child

    def on_sigterm(self):
        for child in self.children:
            os.kill(child, signal.SIGTERM)

    def watch(self):
        """Reap everything that ends here; return how the children ended, none of which lives on without the others."""
        statuses = []
        while self.children:
            pid, status = self.wait()
            if pid in self.children:
                self.children.remove(pid)
                statuses.append(os.waitstatus_to_exitcode(status))
                self.on_sigterm()
        return statuses

    def wait(self):
        return os.wait()

    def end_status(self, child_status):
        return child_status if child_status >= 0 else 128 - child_status

    # -- the child: start and stop

    def serve(self):
        print("starting", flush=True)
        self.weights = None
        self.model_lock = BoundedSemaphore(2)
        # Without a pool of its own, gevent's server would not wait for its requests when it stops.
        server = WSGIServer(
            self.listen(), self.answer_or_refuse, log=None, error_log=None, spawn=Pool(), handler_class=self.protocol
        )
        server.start()
        gevent.spawn(self.load)
        stopping = gevent.event.Event()
        gevent.signal_handler(signal.SIGTERM, stopping.set)
        stopping.wait()
        self.stop(server)

    def listen(self):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.workers > 1:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((self.host(), self.port()))
        listener.listen(self.backlog)
        return listener

    def host(self):
        return "0.0.0.0"

    def port(self):
        return int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))

    def load(self):
        """Load the model; `/ping` is 503 until then, and for ever without one."""
        gevent.sleep(LOAD_SECONDS)
        folder = Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
        self.weights = json.loads((folder / "weights.json").read_text())

    def stop(self, server):
        server.stop(timeout=DRAIN_SECONDS)

    def is_batch(self):
        return os.environ.get("SAGEMAKER_BATCH", "").lower() == "true"
