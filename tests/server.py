"""The real server for tests: `serve` on this machine, or the image in Docker, behind one interface."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import requests

from ports import free_port

ROOT = Path(__file__).parent.parent
PROGRAM = ROOT / "container" / "code" / "serve"
MODELS = ROOT / "models"
TEST_MODELS = ROOT / "tests" / "model_folders"
IMAGE = os.environ.get("IMAGE", "sagemaker-byoc:test")
PATIENCE = 60.0  # seconds that any awaited thing may take; nothing is ever asserted to be fast


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Return the first true value of *condition*; fail with *what* was awaited when patience runs out."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {patience} s in vain for: {what}"
        time.sleep(0.02)
    return value


def processes() -> Iterator[tuple[int, int, str]]:
    """Yield (pid, parent, command line) of every process that this machine shows; macOS shows none here."""
    if not Path("/proc").is_dir():
        return
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            yield int(folder.name), int(parent), command


def descendants(root: int) -> dict[int, tuple[int, str]]:
    """Return pid -> (parent, command line) of everything below *root*."""
    everything = {pid: (parent, command) for pid, parent, command in processes()}
    found: dict[int, tuple[int, str]] = {}
    frontier = {root}
    while frontier:
        below = {pid for pid, (parent, _) in everything.items() if parent in frontier}
        found.update((pid, everything[pid]) for pid in below)
        frontier = below
    return found


LISTENING = "0A"  # the kernel's number for the state, in /proc/PID/net/tcp


def socket_inodes(pid: int) -> Iterator[str]:
    """Yield the inodes of a process's sockets."""
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                kind, _, inode = str(descriptor.readlink()).partition(":")
                if kind == "socket":
                    yield inode.strip("[]")


def listening(pid: int) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield ((address, port), inode) of every TCP socket that listens where process *pid* is, in a container or not."""
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTENING:
                    yield read_address(columns[1]), columns[9]


def read_address(text: str) -> tuple[str, int]:
    """Read the kernel's hexadecimal, in which each 32-bit word of the address stands backwards."""
    address, port = map(bytes.fromhex, text.split(":"))
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    words = [address[start : start + 4][::-1] for start in range(0, len(address), 4)]
    return socket.inet_ntop(family, b"".join(words)), int.from_bytes(port, "big")


class Server:
    """A running server. Subclasses know how it is started, signalled and ended."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def root_pid(self) -> int:
        """The pid, on this machine, of the program that SageMaker starts."""
        raise NotImplementedError

    def log_text(self) -> str:
        raise NotImplementedError

    def has_ended(self) -> bool:
        raise NotImplementedError

    def exit_status(self) -> int:
        """Wait for the end and return the status."""
        raise NotImplementedError

    def send(self, number: signal.Signals) -> None:
        """Signal the program that SageMaker starts."""
        os.kill(self.root_pid, number)

    def close(self) -> None:
        raise NotImplementedError

    def listeners(self) -> set[tuple[str, int]]:
        """Return (address, port) of every TCP socket that the server listens on."""
        root = self.root_pid
        own = {inode for pid in (root, *descendants(root)) for inode in socket_inodes(pid)}
        return {address for address, inode in listening(root) if inode in own}

    # -- what SageMaker does

    def ping(self, method: str = "GET") -> requests.Response:
        return requests.request(method, f"{self.url}/ping", timeout=2)  # the platform's own limit

    def invoke(
        self, body: bytes | str, content_type: str | None = "application/json", **headers: str
    ) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if content_type is not None:
            named["Content-Type"] = content_type
        return requests.post(f"{self.url}/invocations", data=body, headers=named, timeout=PATIENCE)

    def tell(self, **orders: Any) -> requests.Response:
        """Invoke the obedient test model."""
        return self.invoke(json.dumps(orders))

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert not self.has_ended(), f"the server ended:\n{self.log_text()}"
            with contextlib.suppress(requests.RequestException):
                return self.ping().status_code == 200
            return False

        until(ready, "a 200 from /ping")

    # -- what an operator sees

    def log_lines(self) -> list[dict[str, Any]]:
        lines = self.log_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def logged(self, message: str) -> dict[str, Any] | None:
        return next((line for line in self.log_lines() if message in line["message"]), None)

    def arbiter_pid(self) -> int:
        return self.child_pid("gunicorn")

    def nginx_pid(self) -> int:
        return self.child_pid("nginx")

    def child_pid(self, name: str) -> int:
        tree = self.tree()
        (child,) = [pid for pid in self.children() if name in tree[pid][1]]
        return child

    def children(self) -> set[int]:
        """The pids right below the program: nginx and gunicorn, and orphans that it inherited."""
        return {pid for pid, (parent, _) in self.tree().items() if parent == self.root_pid}

    def worker_pids(self) -> set[int]:
        arbiter = self.arbiter_pid()
        return {pid for pid, (parent, _) in self.tree().items() if parent == arbiter}

    def tree(self) -> dict[int, tuple[int, str]]:
        return descendants(self.root_pid)


class HostServer(Server):
    """`serve` on this machine, in the tests' own Python; or another *program* that serves."""

    def __init__(
        self,
        model: Path | None,
        environ: Mapping[str, str],
        arguments: tuple[str, ...] = (),
        program: tuple[str, ...] = (sys.executable, str(PROGRAM)),
    ):
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="server-test-"))
        self.log = self.folder / "log"
        self.tmp = self.folder / "tmp"
        self.tmp.mkdir()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*program, *arguments],
                env={**self.inherited(), **({"SM_MODEL_DIR": str(model)} if model else {}), **environ},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def inherited(self) -> dict[str, str]:
        """An environment as bare as SageMaker's: nothing of the developer's leaks into a test."""
        return {"PATH": os.environ["PATH"], "SAGEMAKER_BIND_TO_PORT": str(self.port), "TMPDIR": str(self.tmp)}

    @property
    def root_pid(self) -> int:
        return self.process.pid

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def exit_status(self) -> int:
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        below = {} if self.has_ended() else descendants(self.root_pid)  # its pid may be somebody else's by now
        if not self.has_ended():
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        for pid in (*below, self.root_pid):
            with contextlib.suppress(ProcessLookupError):
                if pid != self.root_pid or not self.has_ended():
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a docker command and return what it printed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done


class ContainerServer(Server):
    """The image, run as SageMaker runs it: `docker run IMAGE serve`, the model mounted read-only."""

    def __init__(
        self,
        model: Path | None,
        environ: Mapping[str, str],
        arguments: tuple[str, ...] = (),
        options: tuple[str, ...] = (),
        image: str = IMAGE,
    ):
        self.name = f"server-test-{uuid.uuid4().hex[:12]}"
        self.port = free_port()
        inside = environ.get("SAGEMAKER_BIND_TO_PORT", "8080")
        variables = [part for name, value in environ.items() for part in ("--env", f"{name}={value}")]
        mount = ("--volume", f"{model}:/opt/ml/model:ro") if model else ()
        publish = () if "--network" in options else ("--publish", f"127.0.0.1:{self.port}:{inside}")
        command = ("--detach", "--name", self.name, *publish, *mount, *variables, *options, image, "serve", *arguments)
        self._end: subprocess.Popen[bytes] | None = None
        try:
            docker("run", *command)
            self._end = subprocess.Popen(["docker", "wait", self.name], stdout=subprocess.DEVNULL)
        except AssertionError:
            self.close()  # a container that cannot be started is there all the same
            raise

    def inspect(self, template: str) -> str:
        return docker("inspect", "--format", template, self.name).stdout.strip()

    @property
    def root_pid(self) -> int:
        return int(self.inspect("{{.State.Pid}}"))

    def send(self, number: signal.Signals) -> None:
        docker("kill", "--signal", number.name, self.name)

    def log_text(self) -> str:
        done = docker("logs", self.name)
        return done.stdout + done.stderr

    def has_ended(self) -> bool:
        """Ask the engine only once the first end has come: each question takes it as long as an answer takes nginx."""
        return self._end.poll() is not None and self.inspect("{{.State.Running}}") == "false"

    def exit_status(self) -> int:
        until(self.has_ended, "the container's end")
        return int(self.inspect("{{.State.ExitCode}}"))

    def execute(self, *command: str, check: bool = True) -> str:
        """Run a command in the container and return its standard output."""
        return docker("exec", self.name, *command, check=check).stdout

    def close(self) -> None:
        docker("rm", "--force", "--volumes", self.name, check=False)
        if self._end:
            self._end.kill()
            self._end.wait()
