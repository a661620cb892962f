"""A connection as a client has it, on a plain socket: who measures a server on its own machine takes little from it."""

import asyncio
import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Self

PIECE = 65536  # bytes that are read at once

Address = tuple[str, int]


class Call(NamedTuple):
    """A request, the answer that it should get, and when its client leaves by itself."""

    kind: str
    data: bytes  # as it goes through the socket
    status: int = 200
    body: bytes | None = None  # any, if None
    leaves_after: float | None = None  # seconds, after which the client closes the connection
    leaves_at: int | None = None  # bytes of the request, after which it does so


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    head: bytes  # in lower case
    body: bytes

    @property
    def is_last(self) -> bool:
        """Tell whether the server closes the connection after it."""
        return b"\r\nconnection: close" in self.head

    def error_code(self) -> str:
        """Return the code of one of our errors."""
        return str(json.loads(self.body)["error"]["code"])


class BrokenOff(Exception):
    """The connection ended within the answer."""


class Connection:
    """A connection with one request on it at a time."""

    def __init__(self, connected: socket.socket):
        self.socket: socket.socket | None = connected
        self.received = bytearray()  # and not read yet

    @classmethod
    async def open(cls, address: Address) -> Self:
        """Connect."""
        connecting = socket.socket()
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().sock_connect(connecting, address)
        except BaseException:  # a client that does not wait any longer closes as well
            connecting.close()
            raise
        return cls(connecting)

    @property
    def is_open(self) -> bool:
        """Tell whether another request may be sent, as far as the client can know."""
        try:
            return self.socket is not None and self.socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:  # there is nothing to read, not even the end
            return True
        except OSError:
            return False

    async def ask(self, call: Call) -> Answer:
        """Send the request and return the answer; raise `BrokenOff` or `OSError` where the connection ends first."""
        with suppress(ConnectionError):  # the answer to the part that was sent may be there
            await self._send(call.data)
        try:
            head = (await self._until(b"\r\n\r\n")).lower()
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise BrokenOff(f"within the head, after {len(error.partial)} bytes") from None
            raise ConnectionResetError("closed without an answer") from None
        try:
            return Answer(int(head[9:12]), head, await self._body(head))
        except (OSError, asyncio.IncompleteReadError) as error:
            raise BrokenOff(f"within the body of a {int(head[9:12])}: {error or type(error).__name__}") from None

    async def leave(self, call: Call) -> None:
        """Send a part of the request, and close."""
        await self._send(call.data[: call.leaves_at])
        self.close()

    def close(self) -> None:
        """Close at once."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    async def _body(self, head: bytes) -> bytes:
        """Read the body that the head announces."""
        if b"\r\ntransfer-encoding: chunked" in head:
            return await self._chunks()
        _, found, rest = head.partition(b"\r\ncontent-length:")
        return await self._exactly(int(rest.partition(b"\r\n")[0])) if found else await self._to_the_end()

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self._until(b"\r\n"), 16):
            body += (await self._exactly(size + 2))[:-2]
        await self._exactly(2)
        return body

    async def _until(self, mark: bytes) -> bytes:
        while (found := self.received.find(mark)) < 0:
            await self._receive()
        return self._taken(found + len(mark))

    async def _exactly(self, size: int) -> bytes:
        while len(self.received) < size:
            await self._receive()
        return self._taken(size)

    async def _to_the_end(self) -> bytes:
        with suppress(asyncio.IncompleteReadError):
            while True:
                await self._receive()
        return self._taken(len(self.received))

    def _taken(self, size: int) -> bytes:
        taken = bytes(self.received[:size])
        del self.received[:size]
        return taken

    async def _receive(self) -> None:
        piece = await asyncio.get_running_loop().sock_recv(self._there(), PIECE)
        if not piece:
            raise asyncio.IncompleteReadError(bytes(self.received), None)
        self.received += piece

    async def _send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._there(), data)

    def _there(self) -> socket.socket:
        if self.socket is None:
            raise ConnectionResetError("closed by its client")
        return self.socket
