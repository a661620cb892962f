"""What came of the checks: a table for people, JSON for programs."""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from contract.clauses import REQUIRED, Clause, clause_of

KEPT, BROKEN, ADVICE, NOT_APPLICABLE = "kept", "broken", "advice", "not applicable"
MARKS = {KEPT: "ok", BROKEN: "BROKEN", ADVICE: "advice", NOT_APPLICABLE: "-"}
MAX_WIDTH = 120
DOCUMENT = "docs/contract.md"


@dataclass(frozen=True)
class Result:
    """What came of one check."""

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
        outcome = outcome_of(report, level)
        return cls(
            clause=about.number,
            level=level,
            outcome=outcome,
            asks=about.asks,
            did=" ".join((item.obj.__doc__ or "").split()),  # type: ignore[attr-defined]
            seen=seen_in(item, call),
            todo=about.todo if outcome in (BROKEN, ADVICE) else "",
        )

    @property
    def is_advice(self) -> bool:
        """Tell whether the clause is broken, but only recommended."""
        return self.outcome == ADVICE


def outcome_of(report: pytest.TestReport, level: str) -> str:
    """Return pytest's outcome in the words of the contract."""
    if report.skipped:
        return NOT_APPLICABLE
    if report.passed:
        return KEPT
    return BROKEN if level == REQUIRED else ADVICE


def seen_in(item: pytest.Item, call: "pytest.CallInfo[None]") -> str:
    """Return what the check noted, and why it ended if it did not pass."""
    noted = [str(value) for name, value in item.user_properties if name == "saw"]
    error = call.excinfo.value if call.excinfo else None
    said = str(getattr(error, "msg", "") or error or "").split("\nassert ")[0].split("\n")[0]
    is_bare_assert = isinstance(error, AssertionError) and said.startswith("assert ")
    if error is not None and not (noted and is_bare_assert):
        noted.append(said if isinstance(error, AssertionError | pytest.skip.Exception) else described(error, said))
    return "; ".join(noted)


def described(error: BaseException, said: str) -> str:
    """Return an error of the connection, or of the check itself, in short."""
    return f"{type(error).__name__}: {said}"[:200]


class Report:
    """The plugin that takes pytest's place on the terminal: progress on stderr, the table on stdout."""

    def __init__(self, config: pytest.Config):
        self.config = config
        self.results: list[Result] = []
        self.faults: list[str] = []
        self.count = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn how many checks there are."""
        self.count = len(session.items)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say which check is at work; some take a while."""
        name = nodeid.rpartition("::test_")[2].rpartition("[")[0].replace("_", " ")
        say(f"  {len(self.results) + 1}/{self.count} {name}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the result."""
        if result := getattr(report, "contract", None):
            self.results.append(result)
        elif report.failed:
            self.faults.append(report.longreprtext)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep a fault of the suite itself."""
        if report.failed:
            self.faults.append(report.longreprtext)

    def pytest_internalerror(self, excrepr: Any) -> None:
        """Keep a fault of the suite itself."""
        self.faults.append(str(excrepr))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Print the table, write the JSON, and end with 1 only if a required clause is broken."""
        say("\n".join(self.faults))
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            width = min(MAX_WIDTH, shutil.get_terminal_size((100, 24)).columns)
            print("\n".join(table(self.results, self.config.getoption("target"), width)))
            write_json(self.results, self.config.getoption("json"))
            session.exitstatus = int(bool(self.faults) or any(result.outcome == BROKEN for result in self.results))


def say(text: str) -> None:
    """Tell the user something that is not the result."""
    if text:
        print(text, file=sys.stderr, flush=True)


def write_json(results: Iterable[Result], path: Path | None) -> None:
    """Write the results where the user wants them."""
    if path:
        path.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")


def table(results: Iterable[Result], target: str, width: int) -> Iterator[str]:
    """Yield the lines of the table: a line for each clause that is kept, and what to do for each that is not."""
    results = list(results)
    yield f"SageMaker's container contract, checked on {target}"
    yield ""
    for result in results:
        yield from row(result, width)
    yield ""
    yield from textwrap.wrap(summary(results), width)


def row(result: Result, width: int) -> Iterator[str]:
    """Yield one clause: what is asked, what was seen, and for a broken one what was done and what to do."""
    mark = f"{MARKS[result.outcome]:<6} {result.clause:<5}"
    indent = " " * (len(mark) + 1)
    broken = result.outcome in (BROKEN, ADVICE)
    yield from textwrap.wrap(f"{mark} {result.asks}", width, subsequent_indent=indent)
    details = {"did": result.did, "saw": result.seen, "do": result.todo} if broken else {"": result.seen}
    for word, text in details.items():
        if text:
            lead = f"{word + ':':<5}" if word else ""
            yield from textwrap.wrap(
                text, width, initial_indent=indent + lead, subsequent_indent=indent + " " * len(lead)
            )


def summary(results: list[Result]) -> str:
    """Return the verdict in one sentence or two."""
    counts = {outcome: sum(result.outcome == outcome for result in results) for outcome in MARKS}
    said = (
        f"{len(results)} clauses: {counts[KEPT]} kept, {counts[BROKEN]} broken, "
        f"{counts[ADVICE]} recommended ones not kept, {counts[NOT_APPLICABLE]} not applicable."
    )
    verdict = "SageMaker's contract is broken." if counts[BROKEN] else "Every required clause is kept."
    return f"{said} {verdict} The clauses are in {DOCUMENT}."
