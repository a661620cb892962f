"""SageMaker's own numbers. A run may lower them, so that a container made to break one is caught in seconds."""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Durations in seconds, sizes in bytes; the comments name the clause."""

    connect_seconds: float = 0.25  # 1.16
    ping_seconds: float = 2.0  # 1.22
    startup_seconds: float = 480.0  # 1.23
    serverless_startup_seconds: float = 180.0  # 5.09
    stop_seconds: float = 30.0  # 1.28
    answer_seconds: float = 60.0  # 1.32
    payload_bytes: float = 25 * MEGABYTE  # 1.31
    batch_payload_bytes: float = 100 * MEGABYTE  # 4.04
    serverless_bytes: float = 4 * MEGABYTE  # 5.08
    serverless_memory_bytes: float = 1024 * MEGABYTE  # 5.10
    image_bytes: float = 10 * 1024 * MEGABYTE  # 9.05
    error_bytes: float = 4096  # 1.42: our own measure of "short"
    recovery_seconds: float = 30.0  # 1.29, 1.43: our own measure of "soon"

    def with_overrides(self, overrides: Collection[str]) -> "Limits":
        """Return the limits with `NAME=NUMBER` of *overrides* in place of SageMaker's."""
        pairs = {name: number for name, _, number in (pair.partition("=") for pair in overrides)}
        unknown = set(pairs) - {field.name for field in fields(self)}
        if unknown:
            known = ", ".join(field.name for field in fields(self))
            raise ValueError(f"No such limit: {', '.join(sorted(unknown))}. There are: {known}")
        try:
            return replace(self, **{name: float(value) for name, value in pairs.items()})
        except ValueError:
            raise ValueError(f"Expected NAME=NUMBER, found {' '.join(overrides)}") from None
