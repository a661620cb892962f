"""What the service allows: seconds and bytes. None is no limit."""

from dataclasses import dataclass

MB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The limits of a real-time endpoint, as the Developer Guide has them."""

    seconds: float = 60
    stream_seconds: float = 8 * 60
    request_bytes: int | None = 25 * MB
    answer_bytes: int | None = None
    hop_bytes: int | None = 5 * MB  # between two containers of a pipeline
    async_bytes: int | None = 1024 * MB
    inline_bytes: int | None = 128_000  # the body of an asynchronous invocation that is not in S3
    waits_for_ping: bool = False

    @classmethod
    def serverless(cls, seconds: float, stream_seconds: float) -> "Limits":
        """Return those of a serverless endpoint: smaller bodies, both ways, and callers wait for the first ping."""
        return cls(seconds, stream_seconds, request_bytes=4 * MB, answer_bytes=4 * MB, waits_for_ping=True)

    @classmethod
    def unlimited(cls, seconds: float, stream_seconds: float) -> "Limits":
        """Return limits of time only."""
        return cls(seconds, stream_seconds, request_bytes=None, hop_bytes=None, async_bytes=None, inline_bytes=None)


def exceeds(size: int, limit: int | None) -> bool:
    """Tell whether *size* is over the limit, if there is one."""
    return limit is not None and size > limit
