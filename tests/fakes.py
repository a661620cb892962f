"""Stand-ins for what the serving stack is given: a clock, children, a verdict, a model. Ordinary small classes."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from serving.inference import InferenceRequest, InferenceResponse


class FakeClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class FakeChild:
    """A child process that notes in the journal what is done to it, and for itself what is done after its end."""

    name: str
    pid: int
    journal: list[str]
    ended: bool = False
    remains_are_killed: bool = False

    def send(self, number: signal.Signals) -> None:
        self.journal.append(f"{self.name} gets {signal.Signals(number).name}")

    def kill_group(self) -> None:
        if self.ended:
            self.remains_are_killed = True
        else:
            self.journal.append(f"{self.name} is killed")


@dataclass
class FakeVerdict:
    """A health verdict that notes in the journal what /ping answers from now on."""

    journal: list[str]

    def healthy(self) -> None:
        self.journal.append("200")

    def unhealthy(self, reason: str) -> None:
        self.journal.append(f"503 {reason}")

    def drain(self, reason: str) -> None:
        self.journal.append(f"503 {reason}")


def answer_ok(request: InferenceRequest) -> InferenceResponse:
    return InferenceResponse(b"ok", "text/plain")


@dataclass
class FakeModel:
    """A model whose `transform` and `negotiate` are what the test says; it notes the requests that reach it."""

    transform_with: Callable[[InferenceRequest], InferenceResponse] = answer_ok
    negotiate_with: Callable[[InferenceRequest], Any] = lambda request: "text/plain"
    requests: list[InferenceRequest] = field(default_factory=list)
    batching: bool | None = None
    one_at_a_time: str = "it is a fake"

    def transform(self, request: InferenceRequest) -> InferenceResponse:
        self.requests.append(request)
        return self.transform_with(request)

    def negotiate(self, request: InferenceRequest) -> Any:
        return self.negotiate_with(request)


class FakeLoader:
    """A loader that hands out a new model for each load, made by *make*, and keeps them."""

    def __init__(self, make: Callable[[], Any] = FakeModel) -> None:
        self.make = make
        self.models: list[Any] = []

    def __call__(self, settings: Any) -> Any:
        del settings
        self.models.append(self.make())
        return self.models[-1]

    @property
    def loads(self) -> int:
        return len(self.models)


class Rest:
    """The rest of a streamed answer, which notes what becomes of it."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self.parts = list(parts)
        self.bytes_sent = 0
        self.ended = "abandoned"
        self.closed = 0

    def __iter__(self) -> "Rest":
        """Return itself."""
        return self

    def __next__(self) -> bytes:
        """Return the next part, or raise it."""
        if not self.parts:
            self.ended = "whole"
            raise StopIteration
        part = self.parts.pop(0)
        if isinstance(part, Exception):
            self.ended = "broken"
            raise part
        self.bytes_sent += len(part)
        return part

    def close(self) -> None:
        """Count."""
        self.closed += 1
