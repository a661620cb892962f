"""The server's processes as Linux's /proc tells of them: who is who, who is ready, and what each holds."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from benchmark.processes import PROC, parents, stat_fields, tree

LISTENING = "00010000"  # the flag that /proc/net/unix shows of a socket that accepts
ZOMBIE = "Z"


def command_of(pid: int) -> str:
    """Return the command line; nothing of a process that is gone or dead."""
    with contextlib.suppress(OSError):
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def children(pid: int) -> set[int]:
    """Return the processes right below."""
    return {child for child, parent in parents() if parent == pid}


def arbiter_of(root: int) -> int | None:
    """Return gunicorn's arbiter, below the program *root*; None where there is none."""
    return next((pid for pid in sorted(children(root)) if "gunicorn" in command_of(pid)), None)


def workers_of(root: int) -> set[int]:
    """Return the arbiter's children that live."""
    arbiter = arbiter_of(root)
    return {pid for pid in children(arbiter) if not is_zombie(pid)} if arbiter is not None else set()


def ready_workers(root: int) -> list[int]:
    """Return the workers that have opened the socket of their own."""
    listening = set(listening_sockets())
    return sorted(pid for pid in workers_of(root) if listening & set(sockets_of(pid)))


def listening_sockets() -> Iterator[str]:
    """Yield the inode of every worker's own socket on this machine."""
    for line in (PROC / "net" / "unix").read_text().splitlines()[1:]:
        columns = line.split()
        if len(columns) == 8 and columns[3] == LISTENING and Path(columns[7]).name.startswith("worker-"):
            yield columns[6]


def sockets_of(pid: int) -> Iterator[str]:
    """Yield the inodes of a process's sockets."""
    with contextlib.suppress(OSError):
        for descriptor in (PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                kind, _, inode = str(descriptor.readlink()).partition(":")
                if kind == "socket":
                    yield inode.strip("[]")


def is_zombie(pid: int) -> bool:
    """Tell whether the process is dead and nobody has asked for its status."""
    with contextlib.suppress(OSError, IndexError):
        return stat_fields(pid)[0] == ZOMBIE
    return False


def zombies(root: int) -> set[int]:
    """Return the dead below *root* that nobody has asked for."""
    return {pid for pid in tree(root) if is_zombie(pid)}


def descriptors_of(pid: int) -> int:
    """Return how many file descriptors the process has open; 0 of one that is gone."""
    with contextlib.suppress(OSError):
        return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    return 0


def roles(root: int) -> dict[int, str]:
    """Return what each process of the tree is: serve, nginx, arbiter, worker, or other."""
    arbiter, workers = arbiter_of(root), workers_of(root)
    return {pid: role(pid, root, arbiter, workers) for pid in tree(root)}


def role(pid: int, root: int, arbiter: int | None, workers: set[int]) -> str:
    """Return what one process of the tree is."""
    if pid in workers:
        return "worker"
    if pid in (root, arbiter):
        return "serve" if pid == root else "arbiter"
    return "nginx" if "nginx" in command_of(pid) else "other"
