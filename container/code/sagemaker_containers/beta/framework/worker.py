"""The answer that an `output_fn` may return."""

from dataclasses import dataclass


@dataclass
class Response:
    """A body with its media type and status; `accept` and `mimetype` are two names for the type."""

    response: str | bytes = b""
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

    def get_data(self, *, as_text: bool = False) -> str | bytes:
        """Return the body."""
        body = self.response.encode() if isinstance(self.response, str) else self.response
        return body.decode() if as_text else body
