"""Our settings, in gunicorn's words."""

import gc
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from serving import logs, status
from serving.cgroups import available_cpus, available_memory
from serving.counts import OURS
from serving.metric_cells import PID, WORKER_STARTS
from serving.nginx import shared_socket, worker_socket, write_configuration
from serving.overload_sign import sign_path, take_down
from serving.plan import make_plan
from serving.settings import Settings

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter

    from serving.worker import CooperativeWorker

log = logging.getLogger("serving.plan")
settings = Settings.from_environment(os.environ)
run_dir = settings.run_dir or Path(tempfile.gettempdir())  # `serve` always sets it; by hand, this will do

workers = make_plan(settings, available_cpus(), available_memory()).workers  # until the model is measured
bind = f"unix:{shared_socket(run_dir)}"
worker_class = "serving.worker.CooperativeWorker"
worker_tmp_dir = str(run_dir)  # /dev/shm is not to be relied on
worker_connections = 4096
limit_request_line = 0  # nginx has its limits for these three, and answers in JSON
limit_request_fields = 32768
limit_request_field_size = 131072
secure_scheme_headers: dict[str, str] = {}  # a caller's X-Forwarded-Proto is nothing to refuse a request for
preload_app = True  # the model is loaded once, before the fork
# Of a worker's heartbeat, not of a request: only a worker that is beyond help misses it.
timeout = settings.timeout + 30
graceful_timeout = 20
keepalive = 0  # after what is not a plain invocation; those keep their connection as long as nginx wants
control_socket_disable = True  # it would be written under HOME
logconfig_dict = logs.configuration(settings.log_level)


def on_starting(server: "Arbiter") -> None:
    """Go by the plan that fits the model, which is loaded by now; nginx has sockets to lose if there are fewer."""
    gc.freeze()  # the application too: a collector that goes over shared pages copies them
    plan = server.app.wsgi().extensions["model_service"].plan
    log.info("planned", extra={"plan": plan.in_words})
    if plan.workers != server.num_workers:
        server.num_workers = plan.workers
        write_configuration(settings, plan.workers, run_dir)
        status.announce(settings.status_fd, status.DOOR_CHANGED)


def on_reload(server: "Arbiter") -> None:
    """Keep to that plan, which gunicorn forgets when it reads its settings anew."""
    server.num_workers = server.app.wsgi().extensions["model_service"].plan.workers


def pre_fork(server: "Arbiter", worker: "CooperativeWorker") -> None:
    """Give the worker a slot, and with it a socket, that no living worker has."""
    worker.be_born()
    taken = {other.slot for other in server.WORKERS.values()}
    worker.slot = next((slot for slot in range(server.num_workers) if slot not in taken), None)


def post_fork(server: "Arbiter", worker: "CooperativeWorker") -> None:
    """Let go of what belongs to the other workers."""
    del worker
    for other in server.WORKERS.values():
        other.stack_file.close()


def post_worker_init(worker: "CooperativeWorker") -> None:
    """Make the worker's model ready, then say so."""
    OURS.become(worker.wsgi.extensions["metric_table"].slot_of_worker(worker.slot))
    OURS.forget_gauges()
    worker.start_service(run_dir)
    if worker.slot is not None:
        worker.open_socket(worker_socket(run_dir, worker.slot))
    OURS.add(WORKER_STARTS)
    OURS.set(PID, os.getpid())
    status.announce(settings.status_fd, status.WORKER_READY, os.getpid())


def child_exit(server: "Arbiter", worker: "CooperativeWorker") -> None:
    """Say that a worker is no more, and what it died of."""
    server.app.wsgi().extensions["metric_table"].slot_of_worker(worker.slot).forget_gauges()
    take_down(sign_path(run_dir))  # who took part in it may be the one who is gone
    status.announce(settings.status_fd, status.WORKER_GONE, worker.pid, worker.death)
