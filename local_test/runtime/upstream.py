"""HTTP to one container: a single try, a deadline, and a body that can be read as it arrives."""

import contextlib
import http.client
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO

from runtime.endpoints import Container
from runtime.headers import Headers

PART = 1 << 16  # bytes read at once, at most
PING_SECONDS = 2  # the platform's own patience


class UpstreamError(Exception):
    """The container gave no answer, or not all of it; the message is the cause, for our own log."""


class DeadlineMissed(UpstreamError):
    """The time that an invocation may take is over."""


class Deadline:
    """A moment after which nobody waits any more."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic):
        self.seconds = seconds
        self.clock = clock
        self.end = clock() + seconds

    def remaining(self) -> float:
        """Return the seconds that are left; raise `DeadlineMissed` if there are none."""
        left = self.end - self.clock()
        if left <= 0:
            raise DeadlineMissed(f"the {self.seconds:g} s were over")
        return left


class Answer:
    """A container's answer: the status and the headers are there, the body is read as it arrives."""

    def __init__(
        self,
        container: Container,
        response: http.client.HTTPResponse,
        connection: socket.socket,
        deadline: Deadline,
    ):
        self.container = container
        self.response = response
        self.connection = connection
        self.deadline = deadline
        self.status = response.status
        self.headers: Headers = response.headers

    def read1(self) -> bytes:
        """Return what has arrived, once something has; nothing at the end of the body."""
        with named_failures(self.container, self.deadline):
            self.connection.settimeout(self.deadline.remaining())
            part = self.response.read1(PART)
        if not part and self.response.length:
            raise UpstreamError(f"{self.container}: the connection ended {self.response.length} bytes too early")
        return part

    def read(self) -> bytes:
        """Return the whole body."""
        return b"".join(iter(self.read1, b""))

    def abort(self) -> None:
        """End the connection from another thread, whatever this one waits for."""
        with contextlib.suppress(OSError):  # it may have ended by itself
            self.connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection, read or not."""
        self.response.close()
        self.connection.close()


@contextlib.contextmanager
def named_failures(container: Container, deadline: Deadline) -> Iterator[None]:
    """Turn what a socket and http.client raise into the two failures that matter."""
    try:
        yield
    except TimeoutError as error:
        raise DeadlineMissed(f"{container}: nothing more came within {deadline.seconds:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        raise UpstreamError(f"{container}: {type(error).__name__}: {error}") from error


def invoke(container: Container, body: bytes | IO[bytes], headers: Mapping[str, str], deadline: Deadline) -> Answer:
    """Send one POST /invocations; *headers* has the Content-Length."""
    with named_failures(container, deadline):
        client = http.client.HTTPConnection(
            container.host, container.port, timeout=deadline.remaining(), blocksize=PART
        )
        client.connect()
        connection: socket.socket = client.sock
        try:
            send(client, body, headers)
            connection.settimeout(deadline.remaining())
            return Answer(container, client.getresponse(), connection, deadline)
        except BaseException:
            client.close()
            raise


def send(client: http.client.HTTPConnection, body: bytes | IO[bytes], headers: Mapping[str, str]) -> None:
    """Send the request; a container may answer, and close, before it has read all of it."""
    client.putrequest("POST", "/invocations", skip_accept_encoding=True)
    for name, value in headers.items():
        client.putheader(name, value)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        client.endheaders(body)


def answers_ping(container: Container) -> bool:
    """Tell whether /ping says 200, within the platform's patience."""
    client = http.client.HTTPConnection(container.host, container.port, timeout=PING_SECONDS)
    with contextlib.closing(client), contextlib.suppress(OSError, http.client.HTTPException):
        client.request("GET", "/ping")
        return client.getresponse().status == 200
    return False


def listens(container: Container) -> bool:
    """Tell whether anything accepts connections there."""
    try:
        socket.create_connection((container.host, container.port), PING_SECONDS).close()
    except OSError:
        return False
    return True
