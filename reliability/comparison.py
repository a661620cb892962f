"""What servers made of an overload, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from reliability.accounts import Fate, Ledger, line
from reliability.servers import WORKERS


@dataclass
class Seen:
    """What one server made of it; rates per second, times in milliseconds but for those that say otherwise."""

    server: str
    capacity: float
    useful: float
    refused_p50: float | None
    refused_p99: float | None
    answered_p99: float | None
    ping_p99: float | None
    pings: dict[str, int]
    recovery_seconds: float | None
    fates: dict[str, int]
    generator_cpu: float  # of one CPU
    cpus: int
    ledger: Ledger = field(repr=False)

    def figures(self) -> dict[str, Any]:
        """Return what is worth keeping, as JSON has it."""
        return {name: value for name, value in vars(self).items() if name != "ledger"}

    @property
    def possible(self) -> float:
        """Return what the model can do with what the load leaves of the CPUs."""
        return self.capacity * min(1.0, (self.cpus - self.generator_cpu) / WORKERS)

    @property
    def failed_pings(self) -> int:
        """Return how many health checks were not answered with 200."""
        return self.pings["sent"] - self.pings.get(Fate.ANSWERED, 0)


HEADINGS = (
    "closed loop/s",
    "useful answers/s",
    "refused",
    "refusal p50 / p99 ms",
    "reset, refused connection",
    "not answered in 20 s",
    "other failures",
    "answer p99 ms",
    "failed pings",
    "ping p99 ms",
    "full speed after s",
)


def compared(everything: Sequence[Seen]) -> str:
    """Return one table of all servers."""
    lines = [line("server", HEADINGS), "|---|" + "---:|" * len(HEADINGS)]
    return "\n".join([*lines, *(line(seen.server, cells(seen)) for seen in everything)])


def cells(seen: Seen) -> tuple[str, ...]:
    """Return the line of one server."""
    ledger = seen.ledger
    return (
        f"{seen.capacity:.1f}",
        f"{seen.useful:.1f}",
        f"{ledger.count(Fate.REFUSED, Fate.REFUSED_BARE):,}",
        f"{shown(seen.refused_p50)} / {shown(seen.refused_p99)}",
        f"{ledger.count(Fate.LOST, Fate.BROKEN, Fate.TURNED_AWAY):,}",
        f"{ledger.count(Fate.LATE):,}",
        f"{ledger.count(Fate.FAILED, Fate.WRONG):,}",
        shown(seen.answered_p99),
        f"{seen.failed_pings:,} of {seen.pings['sent']:,}",
        shown(seen.ping_p99),
        shown(seen.recovery_seconds, "not within 60"),
    )


def shown(value: float | None, otherwise: str = "-") -> str:
    """Return a number in short."""
    return otherwise if value is None else f"{value:.1f}"
