"""One request and one answer, in the words that the model's side understands; no HTTP framework in sight."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol

from serving.response_headers import ResponseHeaders

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Headers(Protocol):
    """A request's headers, of whichever framework."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return the names and values."""

    def get(self, name: str, default: str, /) -> str:
        """Return the value by that name, in lower case."""


class Timing:
    """How long a request waited for the model and was in it, in seconds, and how many were answered together."""

    __slots__ = ("batch", "model_seconds", "queue_seconds")

    def __init__(self) -> None:
        """Begin with what is not known yet."""
        self.queue_seconds: float | None = None
        self.model_seconds: float | None = None
        self.batch: int | None = None


class InferenceRequest(NamedTuple):
    """What a caller sent: the body as it came, and the headers that say how to read and to answer it."""

    body: bytes
    content_type: str | None = None
    accept: str | None = None
    content_encoding: str = ""
    request_id: str = ""
    headers: Headers = NO_HEADERS
    timing: Timing | None = None  # filled in on the way
    has_gone: Callable[[], bool] = lambda: False  # tells whether the caller waits for no answer any more


class Rest(Protocol):
    """What follows the first part of an answer while the model goes on."""

    def __iter__(self) -> Iterator[bytes]:
        """Return itself."""

    def __next__(self) -> bytes:
        """Return the next part, which is never empty."""

    def close(self) -> None:
        """Let the hook clean up; what has not been computed never will be."""


class InferenceResponse(NamedTuple):
    """What goes back: the body, its media type and the hooks' headers; of a streamed answer the body's first part."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = NO_HEADERS
    rest: Rest | None = None

    def read(self) -> bytes:
        """Return the whole body, once its last part is there."""
        if self.rest is None:
            return self.body
        with closing(self.rest):
            return b"".join((self.body, *self.rest))


@dataclass(frozen=True)
class Context:
    """
    What a hook may ask about the request: the last argument of hooks that take one more.

    The methods are those of the context in TorchServe and, as far as it has them, in AWS's multi-model-server; the
    index is that of a request in a batch, always 0 here.
    """

    model_dir: str
    request: InferenceRequest = field(default_factory=lambda: InferenceRequest(b""))
    response_headers: ResponseHeaders = field(default_factory=ResponseHeaders)

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

    def set_response_header(self, index: int, name: str, value: str) -> None:
        """Add a header to the answer, before its first part; one that cannot be sent is a 500 that says why."""
        del index
        self.response_headers.set(name, value)

    def get_response_headers(self, index: int = 0) -> dict[str, str]:
        """Return the headers that hooks have set so far."""
        del index
        return self.response_headers.as_dict()
