"""
What a server's processes do, seen from this machine.

Nothing in the container is run or needed: its processes are this machine's, and `/proc` shows them to root.
"""

import os
import re
import sys
from pathlib import Path

from contract.targets import RunningServer, not_applicable
from server import ContainerServer, Server, descendants

NUMBERS = re.compile(r"\d+")


def first_process(server: Server) -> int:
    """Return the pid of the program that SageMaker starts; end the check where this machine does not show it."""
    if isinstance(server, RunningServer):
        not_applicable("about processes; a URL shows none")
    if not sys.platform.startswith("linux"):
        not_applicable("processes are looked at from outside, in Linux's /proc")
    if isinstance(server, ContainerServer):
        require_container_here(server)
        if os.geteuid() != 0:
            not_applicable("a container's processes are looked at from outside, which only root may")
    return server.root_pid


def require_container_here(server: ContainerServer) -> None:
    """End the check unless the engine, with its networks and the container's processes, is on this machine."""
    groups = Path(f"/proc/{server.root_pid}/cgroup")
    if not groups.exists() or server.inspect("{{.Id}}") not in groups.read_text():
        not_applicable("looks at the container from outside; the engine that runs it is on another machine")


def command_of(pid: int) -> list[str]:
    """Return a process's command line."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")


def children(root: int) -> dict[int, str]:
    """Return pid -> command line of the processes right below *root*."""
    return {pid: command for pid, (parent, command) in descendants(root).items() if parent == root}


def kinds(commands: dict[int, str]) -> dict[str, list[int]]:
    """Return command line -> pids; numbers in command lines are taken for equal."""
    found: dict[str, list[int]] = {}
    for pid, command in commands.items():
        found.setdefault(NUMBERS.sub("0", command), []).append(pid)
    return found


def families(root: int) -> list[dict[str, list[int]]]:
    """Return the kinds of children of each process, from *root* downwards."""
    return [kinds(children(parent)) for parent in (root, *descendants(root))]


def zombies(root: int) -> set[int]:
    """Return the processes below *root* that have ended and were not waited for."""
    return {pid for pid in descendants(root) if state(pid) == "Z"}


def state(pid: int) -> str:
    """Return the kernel's letter for what a process does; `X` when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def listens_on(server: Server) -> str:
    """Return where a server listens, in words."""
    addresses = sorted(server.listeners(), key=lambda pair: pair[1])
    return ", ".join(f"{address}:{port}" for address, port in addresses) or "no TCP port"
