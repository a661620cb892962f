"""Reading from and writing to a caller's connection, and what can be known of one whose caller waits."""

import select
from typing import Protocol

from serving.plain_requests import END_OF_HEAD

AT_ONCE = 1 << 16  # bytes that are read at once
MAX_HEAD = 1 << 18  # bytes; nginx lets less through


class Connection(Protocol):
    """A connected socket."""

    def fileno(self) -> int:
        """Return the descriptor, -1 when it is closed."""

    def send(self, data: bytes) -> int:
        """Send the beginning of *data*; return how many bytes that was."""

    def recv(self, size: int) -> bytes:
        """Return up to *size* bytes, none at the end."""

    def sendall(self, data: bytes) -> None:
        """Send everything."""


def send_whole(connection: Connection, data: bytes) -> None:
    """Send *data*: in one go, as nearly always, for that is cheaper than asking for all of it to be sent."""
    sent = connection.send(data)
    if sent < len(data):
        connection.sendall(data[sent:])


def with_head(connection: Connection, data: bytes) -> tuple[bytes, int]:
    """Return *data* and what follows it until the request's head is whole, and where the head ends, 0 if nowhere."""
    while (found := data.find(END_OF_HEAD)) < 0:
        if len(data) > MAX_HEAD or not (more := connection.recv(AT_ONCE)):
            return data, 0
        data += more
    return data, found + len(END_OF_HEAD)


def without_body(connection: Connection, data: bytes, length: int) -> bytes:
    """Read a body of *length* bytes that begins with *data* and keep nothing of it; return what follows it."""
    missing = length - len(data)
    while missing > 0 and (part := connection.recv(min(missing, 16 * AT_ONCE))):
        missing -= len(part)
    return data[length:]


def with_body(connection: Connection, data: bytes, length: int) -> tuple[bytes, bytes]:
    """Return a body of *length* bytes that begins with *data*, shorter if the caller has gone, and what follows it."""
    if len(data) >= length:
        return data[:length], data[length:]
    parts, missing = [data], length - len(data)
    while missing and (part := connection.recv(min(missing, 16 * AT_ONCE))):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts), b""


def has_gone(connection: Connection | None) -> bool:
    """Tell whether the other side has closed *connection*, as nginx does when its own client hangs up."""
    if connection is None:  # not served by gunicorn
        return False
    if (descriptor := connection.fileno()) < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, 0)  # a hang-up and an error are told in any case
    return bool(poll.poll(0))
