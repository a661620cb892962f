"""Servers in other surroundings than usual: do they start all the same, and answer?"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contract.asking import ask_sample
from contract.running import NotHealthy, is_healthy, log_end
from contract.samples import Sample
from contract.targets import ImageTarget, RunningServer, Target
from ports import free_port
from server import ContainerServer, Server

SETTLING_SECONDS = 10.0
BIND_PORT, DEFAULT_PORT = "9090", "8080"
SAFE_PORTS = range(21000, 22000)


def settled_status(server: Server, sample: Sample) -> int:
    """Return the status once it is 200, or after a while: whether a healthy server can answer *at once* is 1.23's."""
    deadline = time.monotonic() + SETTLING_SECONDS
    while (
        (status := ask_sample(server, sample).status_code) != 200
        and not server.has_ended()
        and time.monotonic() < deadline
    ):
        time.sleep(0.1)
    return status


def require_answer(server: Server, sample: Sample, saw: Callable[[str], None]) -> None:
    """Fail unless a healthy server answers the sample."""
    status = settled_status(server, sample)
    saw(f"healthy; the sample is answered {status}" if status else "healthy, but the sample is not answered")
    assert status == 200


def memory_ran_out(server: Server) -> bool:
    """Tell whether the kernel ended the container for its memory."""
    return isinstance(server, ContainerServer) and server.inspect("{{.State.OOMKilled}}") == "true"


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return path -> hash of everything in a folder, None for a folder in it."""
    return {str(path.relative_to(folder)): digest(path) if path.is_file() else None for path in folder.rglob("*")}


def digest(path: Path) -> bytes:
    """Return the hash of a file, which may be larger than the memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


@dataclass(frozen=True)
class Placement:
    """
    A server that was told its port by `SAGEMAKER_BIND_TO_PORT`.

    Attributes:
        server: as it was started.
        port: the one that it was told.
        taken: whether it is healthy there.
        elsewhere: whether it is healthy on 8080; None where that was not asked.
    """

    server: Server
    port: str
    taken: bool
    elsewhere: bool | None

    def __str__(self) -> str:
        """Say where it answers."""
        return f"/ping on {self.port}: {words(self.taken)}; on {DEFAULT_PORT}: {words(self.elsewhere)}"


def words(answered: bool | None) -> str:
    """Return in words whether there was an answer."""
    return {True: "200", False: "no answer", None: "not asked"}[answered]


def start_at(port: str, target: Target, launch: Callable[..., Server], seconds: float, *options: str) -> Placement:
    """Start a server as one of a pipeline, and wait until it is healthy there, or on 8080."""
    variables = {"SAGEMAKER_SAFE_PORT_RANGE": f"{SAFE_PORTS.start}-{SAFE_PORTS.stop - 1}"}
    if not isinstance(target, ImageTarget):
        server = launch(**variables)  # on this machine, every server is told its port
        wait_until_one_is_healthy(server, [server], seconds)
        return Placement(server, str(server.port), taken=True, elsewhere=None)
    published = free_port()
    options = (*options, "--publish", f"127.0.0.1:{published}:{DEFAULT_PORT}")
    server = launch(*options, SAGEMAKER_BIND_TO_PORT=port, **variables)
    default = RunningServer(f"http://127.0.0.1:{published}")
    wait_until_one_is_healthy(server, [server, default], seconds)
    return Placement(server, port, taken=is_healthy(server), elsewhere=is_healthy(default))


def wait_until_one_is_healthy(server: Server, addresses: list[Server], seconds: float) -> None:
    """Return as soon as *server* is healthy at one of the addresses; raise `NotHealthy` when it is not."""
    deadline = time.monotonic() + seconds
    while not any(is_healthy(address) for address in addresses):
        if server.has_ended() or time.monotonic() > deadline:
            ended = f"it ended with status {server.exit_status()}" if server.has_ended() else "no 200 from /ping"
            raise NotHealthy(f"{ended}; {log_end(server)}")
        time.sleep(0.1)
