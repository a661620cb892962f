"""What came of the checks: a table for people, and files for programs."""

import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

import pytest

from contract.report_files import write_json, write_junit
from contract.results import ADVICE, BLOCKED, BROKEN, KEPT, NOT_APPLICABLE, Result

MARKS = {KEPT: "ok", BROKEN: "BROKEN", ADVICE: "advice"}
MAX_WIDTH = 120
LEAD = 13  # characters before the first column
DETAIL = 6
CANNOT_CHECK = 2  # the exit status when there is nothing to say about the target
DOCUMENT = "docs/contract.md"


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

    def pytest_keyboard_interrupt(self, excinfo: "pytest.ExceptionInfo[BaseException]") -> None:
        """Say why there is nothing to report: the target cannot be checked, or the user has had enough."""
        self.faults.append(f"check_contract.sh: {getattr(excinfo.value, 'msg', '') or 'interrupted'}")

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Report, and end with 1 only if a required clause is broken."""
        if self.faults or not self.results:
            say("\n".join(self.faults) or "check_contract.sh: no such clause, or none in this profile")
            session.exitstatus = CANNOT_CHECK
        elif exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            self.write()
            session.exitstatus = int(any(result.outcome in (BROKEN, BLOCKED) for result in self.results))

    def write(self) -> None:
        """Print the table, and write the files that the user wants."""
        option = self.config.getoption
        width = min(MAX_WIDTH, shutil.get_terminal_size((100, 24)).columns)
        print("\n".join(table(self.results, option("target"), width)))
        if option("json"):
            write_json(self.results, option("json"))
        if option("junit"):
            write_junit(self.results, option("target"), option("junit"))


def say(text: str) -> None:
    """Tell the user something that is not the result."""
    if text:
        print(text, file=sys.stderr, flush=True)


def table(results: Iterable[Result], target: str, width: int) -> Iterator[str]:
    """Yield the lines of the table: two columns for each clause, and what to do below each that is not kept."""
    results = list(results)
    yield from textwrap.wrap(f"SageMaker's container contract, checked on {target}", width)
    yield ""
    yield from columns(" " * LEAD, "SageMaker asks", "seen", width)
    for result in results:
        if result.outcome in MARKS:
            yield from row(result, width)
    yield ""
    yield from left_out(results, width)
    yield from textwrap.wrap(summary(results), width)


def row(result: Result, width: int) -> Iterator[str]:
    """Yield one clause."""
    yield from columns(f"{MARKS[result.outcome]:<6} {result.clause:<5} ", result.asks, result.seen, width)
    if result.outcome in (BROKEN, ADVICE):
        yield from detail("done:", result.did, width)
        yield from detail("do:", result.todo, width)


def left_out(results: Iterable[Result], width: int) -> Iterator[str]:
    """Yield the clauses that were not checked, those with the same reason together."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        if result.outcome not in MARKS:
            reasons.setdefault(result.seen, []).append(result.clause)
    for reason, numbers in reasons.items():
        yield from textwrap.wrap(f"{', '.join(numbers)}: {reason}", width, initial_indent="- ", subsequent_indent="  ")
    if reasons:
        yield ""


def columns(lead: str, left: str, right: str, width: int) -> Iterator[str]:
    """Yield two texts side by side."""
    left_width = (width - LEAD) * 9 // 20
    right_width = width - LEAD - left_width - 2
    sides = zip_longest(textwrap.wrap(left, left_width), textwrap.wrap(right, right_width), fillvalue="")
    for number, (one, other) in enumerate(sides):
        yield f"{lead if number == 0 else ' ' * LEAD}{one:<{left_width}}  {other}".rstrip()


def detail(word: str, text: str, width: int) -> Iterator[str]:
    """Yield a text below its row, over the whole width."""
    indent = " " * (LEAD + DETAIL)
    yield from textwrap.wrap(text, width, initial_indent=f"{' ' * LEAD}{word:<{DETAIL}}", subsequent_indent=indent)


def summary(results: list[Result]) -> str:
    """Return the verdict in a few words."""
    outcomes = Counter(result.outcome for result in results)
    fails = outcomes[BROKEN] or outcomes[BLOCKED]
    verdict = "SageMaker's contract is broken." if fails else "Every required clause is kept."
    return (
        f"{verdict} Kept: {outcomes[KEPT]}. Broken: {outcomes[BROKEN]}. Recommended, not kept: {outcomes[ADVICE]}. "
        f"Blocked: {outcomes[BLOCKED]}. Not applicable: {outcomes[NOT_APPLICABLE]}. "
        f"--profile checks for one way of deploying. The clauses are explained in {DOCUMENT}."
    )
