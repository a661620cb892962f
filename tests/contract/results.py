"""What came of one check, in the words of the contract."""

import re
from dataclasses import dataclass

import pytest

from contract.clauses import PROFILES, REQUIRED, Clause, clause_of

KEPT, BROKEN, ADVICE, BLOCKED, NOT_APPLICABLE = "kept", "broken", "advice", "blocked", "not applicable"
# Colours, which some write into their logs, and whatever else XML has no place for.
CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Result:
    """
    What came of one check.

    Attributes:
        clause: its number.
        level: required or recommended, in the profile that was checked.
        outcome: kept; broken, if it is required; advice, if it is only recommended and not kept; blocked, if another
            clause that is broken makes it impossible to tell; not applicable.
        asks: what SageMaker asks and, where that is not everywhere, for which way of deploying.
        did: what the check did.
        seen: what came of it.
        todo: what to do about it, empty unless there is something to do.
    """

    clause: str
    level: str
    outcome: str
    asks: str
    did: str
    seen: str
    todo: str

    @classmethod
    def of(cls, item: pytest.Item, level: str, report: pytest.TestReport, call: "pytest.CallInfo[None]") -> "Result":
        """Return the result of a test that checks a clause."""
        about: Clause = clause_of(item)  # type: ignore[assignment]
        seen = CONTROL.sub("", seen_in(item, call))
        outcome = outcome_of(report, level, seen)
        return cls(
            clause=about.number,
            level=level,
            outcome=outcome,
            asks=about.asks + (f" ({', '.join(about.required)})" if 0 < len(about.required) < len(PROFILES) else ""),
            did=" ".join((item.obj.__doc__ or "").split()),  # type: ignore[attr-defined]
            seen=seen,
            todo=about.todo if outcome in (BROKEN, ADVICE) else "",
        )


def outcome_of(report: pytest.TestReport, level: str, seen: str) -> str:
    """Return pytest's outcome in the words of the contract."""
    if report.skipped:
        return BLOCKED if seen.startswith(BLOCKED) else NOT_APPLICABLE
    if report.passed:
        return KEPT
    return BROKEN if level == REQUIRED else ADVICE


def seen_in(item: pytest.Item, call: "pytest.CallInfo[None]") -> str:
    """Return what the check noted, and why it ended if it has not noted that."""
    noted = [str(value) for name, value in item.user_properties if name == "saw"]
    if call.excinfo and not (noted and isinstance(call.excinfo.value, AssertionError)):
        noted.append(described(call.excinfo.value))
    return "; ".join(noted)


def described(error: BaseException) -> str:
    """Return the first line of what an error says; its type too, unless it is the check that speaks."""
    said = str(error).partition("\n")[0][:400]
    speaks = isinstance(error, AssertionError | pytest.skip.Exception)
    return said if speaks else f"{type(error).__name__}: {said}"
