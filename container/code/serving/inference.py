"""One request and one answer, in the words that the model's side understands; no HTTP framework in sight."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol


class Headers(Protocol):
    """A request's headers, of whichever framework."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return the names and values."""


@dataclass(frozen=True)
class InferenceRequest:
    """What a caller sent: the body as it came, and the headers that say how to read and to answer it."""

    body: bytes
    content_type: str | None = None
    accept: str | None = None
    content_encoding: str = ""
    request_id: str = ""
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True)
class InferenceResponse:
    """What goes back: the body and its media type."""

    body: bytes
    content_type: str


@dataclass(frozen=True)
class Context:
    """
    What a hook may ask about the request: the last argument of hooks that take one more.

    The methods are those of AWS's inference toolkit; the index is that of a request in a batch, always 0 here.
    """

    model_dir: str
    request: InferenceRequest = field(default_factory=lambda: InferenceRequest(b""))

    @property
    def system_properties(self) -> dict[str, str | None]:
        """Return where the model is; `gpu_id` is None, for there is none."""
        return {"model_dir": self.model_dir, "gpu_id": None}

    def get_request_id(self, index: int = 0) -> str:
        """Return the id that the answer, its errors and the log lines carry."""
        del index
        return self.request.request_id

    def get_request_header(self, index: int, name: str) -> str | None:
        """Return a header as the caller sent it; names are case-insensitive."""
        return self.get_all_request_header(index).get(name.lower())

    def get_all_request_header(self, index: int = 0) -> dict[str, str]:
        """Return every header, with names in lower case."""
        del index
        return {name.lower(): value for name, value in self.request.headers.items()}
