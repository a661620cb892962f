"""A server from its start to its end."""

import contextlib
import http.client
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmark import environments, processes
from benchmark.catalogue import Server
from benchmark.errors import Unfit
from benchmark.model import Model, numbers, same
from benchmark.wire import Request

PATIENCE = 60.0  # seconds for a start: copies of a large model are read one after the other
GRACE = 15.0  # seconds for an end
ANSWER = 30.0  # seconds for one answer


@dataclass(frozen=True)
class Start:
    """What is to be started: *folder* is the model's, or that of its compiled form."""

    server: Server
    model: Model
    folder: Path
    workers: int


class Running:
    """A started server that has given its first right answer, *seconds* after its start. Use it in a `with`."""

    patience = PATIENCE

    def __init__(self, start: Start):
        self.start, self.server = start, start.server
        self.request: Request = start.server.wire(start.model)
        self.port = free_port()
        self.seconds = 0.0

    def __enter__(self) -> Self:
        """Start it, and wait for the first right answer."""
        python = environments.python_of(self.server)
        self.scratch = Path(tempfile.mkdtemp(prefix="bench-"))
        self.scratch.chmod(0o755)  # nginx's workers, which are another user's, look for sockets in it
        variables = {
            **self.server.variables(self.start.folder, self.port, self.start.workers, self.scratch, python),
            "BENCHMARK_PYTHON": str(python),
        }
        self.prepare(python, variables)
        began = time.monotonic()
        with (self.scratch / "log").open("wb") as log:
            self.process = subprocess.Popen(
                self.server.command(python),
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self.wait_for_right_answer()
        except BaseException:
            self.__exit__()
            raise
        self.seconds = time.monotonic() - began
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and whatever it has started."""
        tree = processes.tree(self.process.pid) if self.process.poll() is None else set()
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        if not processes.gone(tree - {self.process.pid}, 2) or self.process.poll() is None:
            processes.signal_all(tree, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://{self.host}"

    @property
    def host(self) -> str:
        """Return the same without the scheme."""
        return f"127.0.0.1:{self.port}"

    def prepare(self, python: Path, variables: dict[str, str]) -> None:
        """Bring the model into the server's format."""
        command = self.server.preparation(python)
        if command is None:
            return
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(self.scratch, ignore_errors=True)
            raise Unfit(f"the model could not be brought into its format: {environments.last_error(done.stderr)}")

    def wait_for_right_answer(self) -> None:
        """Ask until the answer is right; raise `Unfit` when the server ends, goes on failing, or answers otherwise."""
        deadline = time.monotonic() + self.patience
        while True:
            if self.process.poll() is not None:
                raise Unfit(f"it ended at its start: {self.last_words()}")
            status, body = self.ask()
            if status == 200:
                self.require_right(body)
                return
            if time.monotonic() > deadline:
                said = f"{status} {body[:200].decode(errors='replace')}" if status else "nothing"
                raise Unfit(f"no right answer within {self.patience:.0f} s of its start; the last one was {said}")
            time.sleep(0.02)

    def require_right(self, body: bytes) -> None:
        """Raise `Unfit` unless the body says what the model's sample expects."""
        expected = list(self.start.model.expected)
        try:
            found = numbers(body)
        except (ValueError, TypeError, UnicodeDecodeError):
            found = []
        if not same(found, expected):
            raise Unfit(f"it answers something else: expected {expected}, found {body[:200].decode(errors='replace')}")

    def check(self) -> None:
        """Send one request and require the right answer: what was queued before is done by then."""
        status, body = self.ask()
        if status != 200:
            raise Unfit(f"it no longer answers: {status or 'no connection'} {body[:200].decode(errors='replace')}")
        self.require_right(body)

    def ask(self) -> tuple[int, bytes]:
        """Return status and body; status 0 where there is no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER)
        headers = {"Content-Type": self.request.content_type, "Accept": self.request.accept}
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("POST", self.request.path, self.request.body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        return 0, b""

    def cpu_seconds(self) -> float:
        """Return the CPU time that it has used so far."""
        return processes.cpu_seconds(self.process.pid)

    def pss_bytes(self) -> int:
        """Return the memory that it takes from the machine."""
        return processes.pss_bytes(self.process.pid)

    def last_words(self) -> str:
        """Return the line of its log that says why it cannot start, else the last one."""
        log = (self.scratch / "log").read_text(errors="replace")
        causes = [line for line in log.splitlines() if "cannot start" in line]
        return (causes[-1] if causes else environments.last_error(log))[:1000]


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
