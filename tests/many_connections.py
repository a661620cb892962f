#!/usr/bin/env python3
"""
Open many connections to a server of its own, and tell what becomes of them and of everybody else.

usage: tests/many_connections.py [connections (10000)] [open files that the server may have]

Callers who are silent, who stop in their headers and who stop in their bodies, one kind after the other. Each kind is
followed by a prediction and a ping. It takes about 20 s, and is run by hand; some hundreds are in the tests.
"""

import argparse
import os
import resource
import socket
import sys
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from raw_http import exchange, head, with_length
from server import MODELS, PROGRAM, HostServer
from unbroken import ROW

KINDS = {
    "silent": b"",
    "in their headers": b"POST /invocations HTTP/1.1\r\nHost: x\r\n",
    "in their bodies": head("Content-Length: 9999999") + b"I,",
}


def main() -> None:
    """Try each kind of caller, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("connections", type=int, nargs="?", default=10_000)
    parser.add_argument("open_files", type=int, nargs="?")
    options = parser.parse_args()
    raise_own_limit()
    limited = ("prlimit", f"--nofile={options.open_files}") if options.open_files else ()
    program = (*limited, sys.executable, str(PROGRAM))
    with closing(HostServer(MODELS / "abalone", {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}, program=program)) as server:
        server.wait_until_ready()
        for kind, sent in KINDS.items():
            print(f"{kind}: {outcome(server, sent, options.connections)}", flush=True)
        print(f"workers that died: {server.log_text().count('worker gone')}")


def raise_own_limit() -> None:
    """Let this process have as many files as it may, for its own ends of the connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def outcome(server: HostServer, sent: bytes, count: int) -> str:
    """Open the connections, and say how many are still open, and what others get meanwhile."""
    with ExitStack() as stack:
        opened = [stack.enter_context(connected(server, sent)) for _ in range(count)]
        time.sleep(1)
        others = f"a prediction gets {status(server)}, a ping {status(server, ping=True)}"
        closed = sum(map(was_closed, opened))
        return f"{count - closed} of {count} are open, {others}; nginx has {memory_of_nginx(server)} MB"


def connected(server: HostServer, sent: bytes) -> socket.socket:
    """Return a connection on which something was sent, unless it was closed at once."""
    connection = socket.create_connection(("127.0.0.1", server.port), 30)
    with suppress(ConnectionError):
        connection.sendall(sent)
    connection.setblocking(False)
    return connection


def was_closed(connection: socket.socket) -> bool:
    """Tell whether the server has closed it."""
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True


def status(server: HostServer, ping: bool = False) -> str:
    """Return what another caller gets."""
    sent = head(first="GET /ping HTTP/1.1") if ping else with_length(ROW)
    with suppress(ConnectionError):
        for answer in exchange(server, sent):
            return str(answer.status)
    return "a closed connection"


def memory_of_nginx(server: HostServer) -> int:
    """Return what all of nginx's processes have in memory, in MB."""
    pids = [server.nginx_pid(), *(pid for pid, (parent, _) in server.tree().items() if parent == server.nginx_pid())]
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") >> 20


if __name__ == "__main__":
    main()
