"""What becomes of every request, counted so that none can go missing: sent = the sum of all fates."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from benchmark.ratios import percentile

KEPT_DETAILS = 20  # of what should not have happened; a server that is gone fails thousands in the same way


class Fate(StrEnum):
    """How a request can end, as its caller sees it."""

    ANSWERED = "answered"  # with the status and the body that it should get
    REFUSED = "refused"  # 503 or 429, with Retry-After
    REFUSED_BARE = "refused without Retry-After"
    TURNED_AWAY = "connection refused"  # nobody listens, so that nothing was sent
    UNACCEPTED = "reset as the port closed"  # by the kernel: no process had seen the connection
    GIVEN_UP = "given up by the client"  # who meant to
    CUT = "stream cut by a kill"  # visibly incomplete; its first part was out, so that nobody could ask again
    WRONG = "wrong answer"  # the right status with another body
    FAILED = "failed"  # any other status
    LOST = "lost"  # the connection ended without an answer
    BROKEN = "broken off"  # the connection ended within the answer
    LATE = "not answered in time"  # within the client's patience


class Outcome(NamedTuple):
    """One request's end; times on the monotonic clock, *began* as it was meant."""

    kind: str
    fate: Fate
    began: float
    ended: float
    detail: str = ""

    @property
    def seconds(self) -> float:
        """Return how long the caller waited."""
        return self.ended - self.began


@dataclass
class Ledger:
    """The account of a run: what was sent, and what became of it."""

    sent: int = 0
    fates: Counter[tuple[str, Fate]] = field(default_factory=Counter)
    seconds: dict[Fate, "array[float]"] = field(default_factory=lambda: defaultdict(lambda: array("d")))
    details: list[str] = field(default_factory=list)

    def note(self, outcome: Outcome) -> None:
        """Book a request's end."""
        self.fates[outcome.kind, outcome.fate] += 1
        self.seconds[outcome.fate].append(outcome.seconds)
        if outcome.detail and len(self.details) < KEPT_DETAILS:
            self.details.append(in_short(outcome))

    def rebook(self, outcome: Outcome, fate: Fate) -> None:
        """Book a request's end anew that turns out to have been another."""
        self.fates[outcome.kind, outcome.fate] -= 1
        self.seconds[outcome.fate].remove(outcome.seconds)
        with suppress(ValueError):  # not all were kept
            self.details.remove(in_short(outcome))
        self.note(outcome._replace(fate=fate, detail=""))

    def count(self, *fates: Fate) -> int:
        """Return how many ended in one of these ways."""
        return sum(number for (_, fate), number in self.fates.items() if fate in fates)

    @property
    def under_way(self) -> int:
        """Return how many were sent and have not ended."""
        return self.sent - self.fates.total()

    def unless(self, *fates: Fate) -> int:
        """Return how many of those that were sent have *not* ended in one of these ways."""
        return self.sent - self.count(*fates)

    def milliseconds(self, share: float, *fates: Fate) -> float | None:
        """Return a percentile of what the callers waited who ended in one of these ways; None where there were none."""
        ordered = sorted(second for fate in fates for second in self.seconds.get(fate, ()))
        return round(percentile(ordered, share) * 1000, 2) if ordered else None

    def by_fate(self) -> dict[str, int]:
        """Return the numbers, with what was sent first."""
        return {"sent": self.sent, **{str(fate): self.count(fate) for fate in Fate if self.count(fate)}}

    def table(self) -> str:
        """Return the numbers by kind of request and fate, in Markdown; the last line has the sums."""
        seen = [fate for fate in Fate if self.count(fate)]
        kinds = sorted({kind for kind, _ in self.fates})
        rows = [(kind, [self.fates[kind, fate] for fate in seen]) for kind in kinds]
        lines = [line("request", ["sent", *seen]), "|---|" + "---:|" * (len(seen) + 1)]
        lines += [line(kind, [f"{sum(numbers):,}", *(f"{number:,}" for number in numbers)]) for kind, numbers in rows]
        return "\n".join([*lines, line("all", [f"{self.sent:,}", *(f"{self.count(fate):,}" for fate in seen)])])


def in_short(outcome: Outcome) -> str:
    """Return the end of one request in a line."""
    return f"{outcome.kind}: {outcome.fate}: {outcome.detail}"


def line(first: str, cells: Iterable[object]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join((first, *map(str, cells)))} |"
