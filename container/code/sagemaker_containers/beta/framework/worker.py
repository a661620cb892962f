"""The answer that an `output_fn` may return."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class Response:
    """A body, or an iterator over its parts, with its type (`accept` or `mimetype`) and status."""

    response: str | bytes | Iterator[str | bytes] = b""
    accept: str | None = None
    status: int = 200
    mimetype: str | None = None

    @property
    def content_type(self) -> str | None:
        """Return the media type."""
        return self.accept or self.mimetype

    @property
    def status_code(self) -> int:
        """Return the HTTP status."""
        return self.status

    @property
    def is_streamed(self) -> bool:
        """Tell whether the body comes in parts."""
        return isinstance(self.response, Iterator)

    def get_data(self, *, as_text: bool = False) -> str | bytes:
        """Return the body."""
        parts = self.response if isinstance(self.response, Iterator) else [self.response]
        body = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
        return body.decode() if as_text else body
