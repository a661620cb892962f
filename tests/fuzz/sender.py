"""A process that keeps connections busy: one request under way on each, the next as soon as the answer is there."""

import re
import selectors
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from fuzz.mutations import Mutator

PATIENCE = 90.0  # seconds without any answer, longer than the server itself allows one to take
TELL_EVERY = 1000  # answers
AT_ONCE = 1 << 18  # bytes
MAX_ERROR = 1024  # bytes; SageMaker relays an error's body
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
END = None  # in place of a report
NO_ANSWER = 0  # in place of a status


class Broken(NamedTuple):
    """A request for which a promise was broken: what came back, and the request."""

    status: int
    what: str
    request: bytes


class Report(NamedTuple):
    """What came back since the last one."""

    statuses: Counter[int]
    broken: list[Broken]


class Lane:
    """A connection, with what was sent over it and what came back so far."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.request = b""
        self.open()

    def open(self) -> None:
        """Connect anew."""
        self.socket = socket.create_connection(self._address, PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answered = 0
        self.received = b""

    def send(self, request: bytes) -> None:
        """Send a request; whoever refuses it early may close the connection over the rest."""
        self.request, self.received = request, b""
        try:
            self.socket.sendall(request)
        except OSError:
            self.socket.setblocking(True)  # its answer may be there all the same

    def read(self) -> bool:
        """Take in what has come; return whether the connection is at its end."""
        try:
            data = self.socket.recv(AT_ONCE)
        except OSError:
            data = b""
        self.received += data
        return not data

    def is_whole(self) -> bool:
        """Tell whether the answer is there."""
        end = self.received.find(b"\r\n\r\n")
        found = LENGTH.search(self.received, 0, end + 2) if end > 0 else None
        return found is not None and len(self.received) >= end + 4 + int(found[1])


class Sender:
    """Sends a number of requests over a number of connections, and reports on the answers."""

    def __init__(self, address: tuple[str, int], connections: int, mutator: Mutator, tell: Callable[[Report], None]):
        self._address, self._mutator, self._tell = address, mutator, tell
        self._connections = connections
        self._selector = selectors.DefaultSelector()
        self._statuses: Counter[int] = Counter()
        self._broken: list[Broken] = []

    def run(self, number: int) -> None:
        """Send *number* requests."""
        self._left = number
        for _ in range(min(self._connections, number)):
            self._begin(Lane(self._address))
        while self._selector.get_map():
            ready = self._selector.select(PATIENCE)
            for key, _ in ready:
                self._advance(key.data)
            if not ready:
                self._give_up()
        self._report()

    def _begin(self, lane: Lane) -> None:
        """Send the next request, if there is one left, over a new connection."""
        self._selector.register(lane.socket, selectors.EVENT_READ, lane)
        self._next(lane)

    def _next(self, lane: Lane) -> None:
        if self._left:
            self._left -= 1
            lane.send(self._mutator.request())
        else:
            self._close(lane)

    def _advance(self, lane: Lane) -> None:
        ended = lane.read()
        if lane.is_whole():
            self._account(lane)
            lane.answered += 1
            if ended or CLOSE.search(lane.received, 0, lane.received.find(b"\r\n\r\n") + 2):
                self._reopen(lane)
            else:
                self._next(lane)
        elif ended and lane.answered and not lane.received:  # closed while it was idle, as any server may
            request = lane.request
            self._reopen(lane, request)
        elif ended:
            self._account(lane)
            self._reopen(lane)

    def _reopen(self, lane: Lane, request: bytes | None = None) -> None:
        """Go on over a new connection, with the same request or the next one."""
        self._close(lane)
        if request is not None or self._left:
            lane.open()
            self._selector.register(lane.socket, selectors.EVENT_READ, lane)
            self._next(lane) if request is None else lane.send(request)

    def _close(self, lane: Lane) -> None:
        self._selector.unregister(lane.socket)
        lane.socket.close()

    def _account(self, lane: Lane) -> None:
        """Count an answer, or that there was none."""
        found = STATUS.match(lane.received)
        status = int(found[1]) if found else NO_ANSWER
        self._statuses[status] += 1
        if what := complaint(status, lane.received):
            self._broken.append(Broken(status, what, lane.request))
        if self._statuses.total() >= TELL_EVERY:
            self._report()

    def _give_up(self) -> None:
        """Account for every request that nobody has answered."""
        for key in list(self._selector.get_map().values()):
            self._account(key.data)
            self._close(key.data)

    def _report(self) -> None:
        self._tell(Report(self._statuses, self._broken))
        self._statuses, self._broken = Counter(), []


def complaint(status: int, answer: bytes) -> str:
    """Return what is wrong with an answer: a server's fault, or a refusal that is not ours. 503 says: overloaded."""
    if status == NO_ANSWER:
        return "no answer"
    if status >= 500 and status != 503:
        return f"status {status}"
    body = answer.partition(b"\r\n\r\n")[2]
    if status != 200 and (len(body) > MAX_ERROR or not body.startswith(b'{"error":')):
        return f"status {status} without an error of ours"
    return ""


def send(address: tuple[str, int], connections: int, number: int, seed: str, reports: Any) -> None:
    """Send *number* requests from this process; put reports into a queue, the first before all requests, `END` last."""
    try:
        sender = Sender(address, connections, Mutator(seed), reports.put)
        reports.put(Report(Counter(), []))
        sender.run(number)
    finally:
        reports.put(END)
