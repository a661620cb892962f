"""A client that knows what became of each of its requests: an answer, and which; or where the connection ended."""

import asyncio
import time

from reliability.accounts import Fate, Outcome
from reliability.connection import Address, Answer, BrokenOff, Call, Connection

PATIENCE = 20.0  # seconds that a client waits for an answer, from the moment at which it meant to ask
REFUSALS = (429, 503)
KEPT, NEW = "kept connection", "new connection"
SHOWN = 120  # characters of an answer that should not have come


class Caller:
    """A client that keeps its connection, or opens one for each request (*fresh*)."""

    def __init__(self, address: Address, fresh: bool = False, patience: float = PATIENCE):
        self.address, self.fresh, self.patience = address, fresh, patience
        self.connection: Connection | None = None

    async def ask(self, call: Call, intended: float | None = None) -> Outcome:
        """Send one request, which was meant for the moment *intended*, and say what became of it."""
        began = time.monotonic() if intended is None else intended
        reused = self.is_open
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + self.waits(call, began)):
                fate, detail = await self.fate_of(call)
        except ConnectionRefusedError:
            fate, detail = Fate.TURNED_AWAY, ""
        except TimeoutError:
            leaves = call.leaves_after is not None
            fate, detail = (Fate.GIVEN_UP, "") if leaves else (Fate.LATE, f"after {self.patience:g} s")
        except BrokenOff as error:
            fate, detail = Fate.BROKEN, str(error)
        except OSError as error:
            fate, detail = Fate.LOST, f"{KEPT if reused else NEW}: {error}"
        if fate is not Fate.ANSWERED and not (fate in (Fate.REFUSED, Fate.FAILED) and self.is_open):
            self.close()
        return Outcome(call.kind, fate, began, time.monotonic(), detail)

    async def fate_of(self, call: Call) -> tuple[Fate, str]:
        """Ask, and judge the answer."""
        if call.leaves_at is not None:
            await (await self.connected()).leave(call)
            return Fate.GIVEN_UP, ""
        return judged(call, await self.answer(call))

    async def answer(self, call: Call) -> Answer:
        """Return the answer, whatever it says."""
        answer = await (await self.connected()).ask(call)
        if self.fresh or answer.is_last:
            self.close()
        return answer

    async def connected(self) -> Connection:
        """Return the kept connection, or a new one."""
        if self.connection is None or not self.connection.is_open:
            self.close()
            self.connection = await Connection.open(self.address)
        return self.connection

    @property
    def is_open(self) -> bool:
        """Tell whether the kept connection can take another request."""
        return self.connection is not None and self.connection.is_open

    def waits(self, call: Call, began: float) -> float:
        """Return how many seconds from now on the client waits."""
        if call.leaves_after is not None:
            return call.leaves_after
        return max(0.0, self.patience - (time.monotonic() - began))

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def judged(call: Call, answer: Answer) -> tuple[Fate, str]:
    """Say what a whole answer is to the one who asked."""
    if answer.status == call.status:
        right = call.body is None or answer.body == call.body
        return (Fate.ANSWERED, "") if right else (Fate.WRONG, in_short(answer))
    if answer.status in REFUSALS:
        return (Fate.REFUSED, "") if b"\r\nretry-after:" in answer.head else (Fate.REFUSED_BARE, in_short(answer))
    return Fate.FAILED, in_short(answer)


def in_short(answer: Answer) -> str:
    """Return the answer in a line."""
    return f"{answer.status} {answer.body[:SHOWN].decode(errors='replace')}"
