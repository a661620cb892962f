"""Ports for servers of tests, of which several run at a time: each process has its own."""

import contextlib
import random
import socket

_BLOCK = 100
_BLOCKS = range(20_000, 32_000, _BLOCK)  # below the ports that Linux and macOS hand out by themselves
_ports: list[int] = []


def free_port() -> int:
    """Return a port that nothing listens on, and that no other process is given: the tests run several at a time.

    A port that the system hands out (``bind`` to 0) may be handed out again, to another process or to the engine,
    before the server that is to listen on it does.
    """
    while True:
        if not _ports:
            _ports.extend(_block_of_ports())
        port = _ports.pop()
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            return port


def _block_of_ports() -> range:
    """Return the ports of a block whose first this process holds, as a sign to the others, until it ends."""
    for first in random.sample(_BLOCKS, len(_BLOCKS)):
        with contextlib.suppress(OSError), socket.socket() as holder:
            holder.bind(("127.0.0.1", first))
            holder.detach()  # open until this process ends
            return range(first + 1, first + _BLOCK)
    raise OSError("no free port: every block from 20000 to 32000 is held")
