"""What became of many requests, for people and for programs."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from fuzz.sender import Broken

GROWTH = 1.2, 40.0  # how much larger the workers may be at the end than in the middle: a factor, and MB more


@dataclass
class Account:
    """What was asked for, and what came of it."""

    requests: int
    connections: int
    seed: int
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: list[Broken] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)  # of the workers: warm, in the middle, at the end
    deaths: int | None = None  # of workers; None where nobody could look

    @property
    def complaints(self) -> list[str]:
        """Return which promises were broken."""
        found = [f"{count} x {what}" for what, count in Counter(broken.what for broken in self.broken).items()]
        if self.statuses.total() != self.requests:
            found.append(f"{self.requests - self.statuses.total()} requests are not accounted for")
        if self.deaths:
            found.append(f"{self.deaths} worker(s) died")
        if len(self.megabytes) == 3 and self.megabytes[2] > self.megabytes[1] * GROWTH[0] + GROWTH[1]:
            found.append(f"the workers' memory grew from {self.megabytes[1]:.0f} to {self.megabytes[2]:.0f} MB")
        return found

    @property
    def per_second(self) -> float:
        """Return how many requests were answered in a second."""
        return self.statuses.total() / max(self.seconds, 0.001)

    def as_json(self) -> dict[str, Any]:
        """Return the account for programs."""
        return {
            "requests": self.requests,
            "connections": self.connections,
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "requests_per_second": round(self.per_second),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "worker_deaths": self.deaths,
            "worker_megabytes": [round(size, 1) for size in self.megabytes],
            "complaints": self.complaints,
        }

    def in_words(self) -> str:
        """Return the account for people."""
        counts = ", ".join(f"{status or 'no answer'}: {count}" for status, count in sorted(self.statuses.items()))
        sizes = " -> ".join(f"{size:.0f}" for size in self.megabytes)
        taken = f"{self.seconds:.0f} s, {self.per_second:.0f} a second (seed {self.seed})"
        looked = f"{self.deaths} died; memory {sizes} MB (warm, middle, end)"
        lines = [
            f"{self.statuses.total()} of {self.requests} requests answered in {taken}",
            f"by status: {counts}",
            f"workers: {looked if sizes else 'not looked at'}",
            *(f"BROKEN: {complaint}" for complaint in self.complaints),
            *(() if self.complaints else ("All promises were kept.",)),
        ]
        return "\n".join(lines)
