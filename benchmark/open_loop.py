"""
Open loop: requests at a fixed rate, whether or not the earlier ones are answered.

Each latency counts from the moment at which the request was *meant* to be sent. A client that waits for a slow server
before it sends the next request never sees the wait of those that it did not send (coordinated omission).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmark.ratios import percentile

PATIENCE = 10.0  # seconds that a request may take from its intended moment on
USEFUL = 1.0  # seconds, within which an answer is worth something to somebody who waits
TICK = 0.001
MOST_CONNECTIONS = 512


@dataclass
class Seen:
    """What became of the requests; times in seconds."""

    offered: int = 0
    latencies: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)  # how much later than meant a request was sent
    errors: int = 0

    @property
    def pending(self) -> int:
        """Return how many are neither answered nor failed."""
        return self.offered - len(self.latencies) - self.errors


@dataclass(frozen=True)
class Offered:
    """The same in short; times in milliseconds, rates per second."""

    rate: float
    useful: float  # right answers within USEFUL
    errors: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    late_p99_ms: float  # our own share, where connections were free: subtract it in thought


class Connection(asyncio.Protocol):
    """A kept connection with at most one request on it."""

    def __init__(self, pool: "Pool"):
        self.pool = pool
        self.transport: asyncio.Transport | None = None
        self.intended: float | None = None
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready for a request."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, intended: float, request: bytes) -> None:
        """Send the request that was meant for the moment *intended*."""
        assert self.transport is not None
        self.intended, self.buffer = intended, b""
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Notice when the answer is whole."""
        self.buffer += data
        status = whole_answer(self.buffer)
        if status and self.intended is not None:
            intended, self.intended = self.intended, None
            self.pool.answered(self, intended, status)

    def connection_lost(self, error: Exception | None) -> None:
        """Count what was on the way as lost."""
        del error
        self.pool.lost(self, self.intended is not None)


class Pool:
    """The connections to one server, and the requests that wait for one of them."""

    def __init__(self, address: tuple[str, int], request: bytes, seen: Seen, fresh: bool):
        self.address, self.request, self.seen, self.fresh = address, request, seen, fresh
        self.free: list[Connection] = []
        self.made: set[Connection] = set()
        self.waiting: list[float] = []
        self.opening: set[asyncio.Task[None]] = set()

    def offer(self, intended: float) -> None:
        """Send a request now, or as soon as there is a connection for it."""
        self.seen.offered += 1
        while self.free:
            connection = self.free.pop()
            if connection.transport and not connection.transport.is_closing():
                self.seen.late.append(time.monotonic() - intended)
                connection.send(intended, self.request)
                return
        self.waiting.append(intended)
        if len(self.made) + len(self.opening) < MOST_CONNECTIONS:
            task = asyncio.ensure_future(self.open())
            self.opening.add(task)
            task.add_done_callback(self.opening.discard)

    async def open(self) -> None:
        """Make one connection more."""
        try:
            _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(self), *self.address)
        except OSError:
            self.seen.errors += bool(self.waiting)
            del self.waiting[:1]
        else:
            self.made.add(connection)
            self.next(connection)

    def next(self, connection: Connection) -> None:
        """Give the connection the request that waits the longest, or put it by."""
        if self.waiting:
            connection.send(self.waiting.pop(0), self.request)
        else:
            self.free.append(connection)

    def answered(self, connection: Connection, intended: float, status: int) -> None:
        """Note an answer; its connection takes the next request."""
        if status == 200:
            self.seen.latencies.append(time.monotonic() - intended)
        else:
            self.seen.errors += 1
        if self.fresh and connection.transport:
            connection.transport.close()
        else:
            self.next(connection)

    def lost(self, connection: Connection, under_way: bool) -> None:
        """Note that a connection is no more."""
        self.made.discard(connection)
        self.seen.errors += under_way
        if connection in self.free:
            self.free.remove(connection)

    async def settle(self, patience: float) -> None:
        """Wait for what is under way, and close; what is late after that has failed."""
        deadline = time.monotonic() + patience
        while self.seen.pending and time.monotonic() < deadline:  # noqa: ASYNC110 - an event would cost each answer more
            await asyncio.sleep(0.01)
        self.seen.errors = self.seen.offered - len(self.seen.latencies)
        for task in self.opening:
            task.cancel()
        for connection in self.made:
            if connection.transport:
                connection.intended = None
                connection.transport.abort()


def whole_answer(buffer: bytes) -> int:
    """Return the status of an answer that is complete, else 0."""
    head, separator, body = buffer.partition(b"\r\n\r\n")
    if not separator:
        return 0
    lower = head.lower()
    status = int(head[9:12])
    if b"transfer-encoding: chunked" in lower:
        return status if body.endswith(b"0\r\n\r\n") else 0
    _, _, rest = lower.partition(b"content-length:")
    return status if len(body) >= int(rest.split(b"\r\n")[0] or 0) else 0


async def schedule(offer: Callable[[float], None], rate: float, seconds: float) -> None:
    """Call *offer* for each request at its moment, with that moment."""
    began = time.monotonic()
    offered, total = 0, round(rate * seconds)
    while offered < total:
        due = min(total, int((time.monotonic() - began) * rate) + 1)
        for number in range(offered, due):
            offer(began + number / rate)
        offered = due
        await asyncio.sleep(max(TICK, began + offered / rate - time.monotonic()))


async def load(pool: Pool, rate: float, seconds: float) -> None:
    """Offer the requests, then wait for the last answers."""
    await schedule(pool.offer, rate, seconds)
    await pool.settle(PATIENCE)


def offer(address: tuple[str, int], request: bytes, rate: float, seconds: float, fresh: bool = False) -> Offered:
    """Offer *request* *rate* times a second; *fresh* opens a connection for each."""
    seen = Seen()
    asyncio.run(load(Pool(address, request, seen, fresh), rate, seconds))
    return in_short(seen, rate, seconds)


def in_short(seen: Seen, rate: float, seconds: float) -> Offered:
    """Return the rates and percentiles of what was seen."""
    ordered = sorted(seen.latencies)
    p50, p99, p999 = (round(percentile(ordered, share) * 1000, 3) for share in (0.5, 0.99, 0.999))
    useful = sum(latency <= USEFUL for latency in ordered) / seconds
    late = round(percentile(sorted(seen.late), 0.99) * 1000, 3)
    return Offered(rate, round(useful, 1), seen.errors, p50, p99, p999, late)
