"""`serve`: start nginx and gunicorn, keep the health verdict, stop in order, and end with an honest status."""

import argparse
import contextlib
import logging.config
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from serving import counts, logs, privileges, status
from serving.cgroups import available_cpus, available_memory
from serving.checking import check_as_user
from serving.door_log import DoorLog
from serving.embedded_metrics import EmbeddedMetrics, stdout
from serving.errors import StartError
from serving.health import HealthVerdict
from serving.log_stream import STDERR
from serving.metric_table import SUPERVISOR, Table
from serving.nginx import write_configuration
from serving.open_files import raise_open_file_limit
from serving.plan import make_plan
from serving.processes import child_environment, gunicorn_command, nginx_command, reap, start
from serving.settings import Settings
from serving.supervisor import Supervisor
from serving.user_trial import user_for

log = logging.getLogger(__name__)


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Serve until told to stop, or check that we could; return the exit status."""
    options = parse(arguments)
    try:
        settings = Settings.from_environment(environ)
        logging.config.dictConfig(logs.configuration(settings.log_level))
        STDERR.never_wait()
        privileges.forbid_new_privileges()
        require_nginx()
        with run_folder() as run_dir:
            if options.check:
                return check_as_user(settings, run_dir, environ)
            return serve(settings, run_dir, environ)
    except StartError as error:
        logging.config.dictConfig(logs.configuration(logging.INFO))
        log.critical("cannot start: %s", error)
        return 1


@contextlib.contextmanager
def run_folder() -> Iterator[Path]:
    """Make the one folder that is written to; remove what may be removed, for a root may lack capabilities."""
    try:
        run_dir = Path(tempfile.mkdtemp(prefix="serving-"))
    except OSError as error:
        raise StartError(
            f"No folder to write to: {error}. Give the container one (docker run --tmpfs /tmp), or set TMPDIR."
        ) from None
    try:
        yield run_dir
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="serve", description="Serve the model folder on SageMaker's port until SIGTERM."
    )
    parser.add_argument(
        "--check", action="store_true", help="load the model, if there is one, replay its samples, and exit"
    )
    return parser.parse_args(arguments)


def serve(settings: Settings, run_dir: Path, environ: Mapping[str, str]) -> int:
    """Start the two children and return the status that they end with."""
    notes = SignalNotes()  # before the children: a SIGTERM during their start must not be lost
    require_free_port(settings.port)
    raise_open_file_limit()
    plan = make_plan(settings, available_cpus(), available_memory())
    table, door_log = Table.create(run_dir, plan.workers), DoorLog(run_dir)
    counts.OURS.become(table.slot(SUPERVISOR))
    metrics = EmbeddedMetrics(settings.emf, table, run_dir, settings.model_dir.resolve().name, stdout().write)
    user = user_for(settings, run_dir)
    named = {"model_dir": str(settings.model_dir), "user": privileges.name_of(user)}
    log.info("starting", extra={"port": settings.port, **named})
    verdict = HealthVerdict(run_dir)
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    children = child_environment(privileges.environment_for(user, environ, run_dir), settings, run_dir, writer)
    door = nginx_command(write_configuration(settings, plan.workers, run_dir), as_root=privileges.are_roots(user))
    if user:
        privileges.hand_over(run_dir, user)
    with privileges.nginx_stderr(user) as stderr:
        nginx = start("nginx", door, children, writer, user=user, stderr=stderr)
    gunicorn = start("gunicorn", gunicorn_command(), children, writer, user=user)
    supervisor = Supervisor(
        nginx, gunicorn, verdict, settings.startup_timeout, time.monotonic, count_death=counts.worker_died
    )
    try:
        return watch(supervisor, notes, reader, door_log, metrics)
    finally:
        if supervisor.exit_status is None:  # an error of ours: nobody is left behind
            for child in (nginx, gunicorn):
                child.kill_group()


def watch(
    supervisor: Supervisor, notes: "SignalNotes", status_reader: int, door_log: DoorLog, metrics: EmbeddedMetrics
) -> int:
    """Feed the supervisor with events until everything has ended."""
    selector = selectors.DefaultSelector()
    selector.register(notes.reader, selectors.EVENT_READ)
    selector.register(status_reader, selectors.EVENT_READ)
    selector.register(door_log.reader, selectors.EVENT_READ)
    while supervisor.exit_status is None:
        selector.select(soonest(supervisor.seconds_left, metrics.seconds_left))
        door_log.take()
        metrics.write_if_due()
        for event in status.events_in(read_available(status_reader)):
            supervisor.on_status(*event)
        for number in notes.take():
            supervisor.on_signal(number)
        for pid, exit_status in reap():
            supervisor.on_exit(pid, exit_status)
        if supervisor.seconds_left == 0:
            supervisor.on_deadline()
    door_log.take()
    metrics.write(at_the_end=True)
    return supervisor.exit_status


def soonest(*seconds: float | None) -> float | None:
    """Return the least of those that there are, None if there are none."""
    return min((each for each in seconds if each is not None), default=None)


class SignalNotes:
    """Signals, noted by a handler that does nothing else; the reader wakes the main loop, for SIGCHLD too."""

    def __init__(self) -> None:
        """Begin to take notes."""
        self._notes: list[int] = []
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: self._notes.append(number))
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def take(self) -> list[int]:
        """Return the signals since the last call, and rearm the reader."""
        read_available(self.reader.fileno())
        notes, self._notes = self._notes, []
        return notes


def read_available(fd: int) -> bytes:
    """Return what can be read without waiting."""
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return b""


def require_nginx() -> None:
    """Raise `StartError` when there is no nginx to start."""
    if shutil.which("nginx") is None:
        raise StartError("No nginx: looked for it on PATH. Install Debian's package nginx, or use the image.")


def require_free_port(port: int) -> None:
    """Raise `StartError` when the port is taken, before minutes are spent on loading the model."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("0.0.0.0", port))
        except OSError as error:
            cause = "Ports below 1024 are root's" if isinstance(error, PermissionError) else "Stop what listens there"
            raise StartError(
                f"Cannot listen on port {port}: {error.strerror}. {cause}, or choose another (SAGEMAKER_BIND_TO_PORT)."
            ) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
