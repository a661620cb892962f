"""What a check is about: the clause's number in `docs/contract.md`, what SageMaker asks, and what to do about it."""

from dataclasses import dataclass
from typing import Any

import pytest

REAL_TIME, SERVERLESS, BATCH, PIPELINE, MARKETPLACE = "real-time", "serverless", "batch", "pipeline", "marketplace"
PROFILES = (REAL_TIME, SERVERLESS, BATCH, PIPELINE, MARKETPLACE)
ALL, QUICK = "all", "quick"
REQUIRED, RECOMMENDED, OTHER_PROFILE = "required", "recommended", "of another profile"


@dataclass(frozen=True)
class Clause:
    """
    One rule of the platform's, and how it concerns the ways of deploying.

    Attributes:
        number: as in `docs/contract.md`.
        asks: what SageMaker asks, in a few words.
        todo: what the author of a container does to keep it.
        required: the profiles in which a container that breaks it fails.
        recommended: those in which it works, but worse.
        quick: whether it decides that SageMaker takes and starts an image, and is checked in a few seconds at most.
    """

    number: str
    asks: str
    todo: str
    required: tuple[str, ...] = ()
    recommended: tuple[str, ...] = ()
    quick: bool = False

    def level(self, profile: str) -> str:
        """Return how much the clause matters to *profile*; to the quick one, as much as to any."""
        if profile == QUICK:
            return self.level(ALL) if self.quick else OTHER_PROFILE
        if self.required and profile in (ALL, *self.required):
            return REQUIRED
        return RECOMMENDED if profile in (ALL, *self.recommended) else OTHER_PROFILE

    @property
    def order(self) -> tuple[int, ...]:
        """Return the number as it sorts."""
        return tuple(int(part) for part in self.number.split("."))


def clause(
    number: str,
    asks: str,
    todo: str,
    required: tuple[str, ...] = (),
    recommended: tuple[str, ...] = (),
    *,
    quick: bool = False,
) -> pytest.MarkDecorator:
    """Mark a test as the check of a clause; its docstring says what it does, `saw` what came of it."""
    return pytest.mark.clause(Clause(number, asks, todo, required, recommended, quick))


def clause_of(item: Any) -> Clause | None:
    """Return the clause that a test checks."""
    marker = item.get_closest_marker("clause")
    return marker.args[0] if marker else None
