"""`docs/contract.md` and the checks of `tests/contract` speak of the same clauses."""

import re
from collections.abc import Iterator

import pytest

from checks import clauses_where
from server import ROOT

DOCUMENT = (ROOT / "docs" / "contract.md").read_text()
CLAUSES, WITHOUT_CHECK = DOCUMENT.split("## Clauses without a check")
NUMBER = re.compile(r"\d+\.\d\d")
TEST = re.compile(r"`(tests/[a-z_/0-9]+(?:\.py)?)((?:::\w+)?)`")


def numbers_in(text: str) -> list[str]:
    """Return the clauses in the first column of the tables."""
    cells = re.findall(r"^\| ([\d., to]+) \|", text, re.MULTILINE)
    return [number for cell in cells for number in expanded(cell)]


def expanded(cell: str) -> Iterator[str]:
    """Yield the numbers in a cell such as "1.15, 1.24" or "8.01 to 8.03"."""
    first, *last = NUMBER.findall(cell) if " to " in cell else ("", "")
    if not first:
        yield from NUMBER.findall(cell)
        return
    section, begin = first.split(".")
    for number in range(int(begin), int(last[0].split(".")[1]) + 1):
        yield f"{section}.{number:02}"


def checked() -> list[str]:
    """Return the clause of every check."""
    return clauses_where(lambda check: True)


def test_every_clause_has_one_check_or_a_reason_for_having_none():
    documented = set(numbers_in(CLAUSES.split("## What the image does not claim")[0]))
    without = numbers_in(WITHOUT_CHECK)
    assert sorted(checked()) == sorted(documented - set(without))
    assert set(without) <= documented


def test_no_clause_has_two_checks_or_two_reasons():
    for numbers in (checked(), numbers_in(WITHOUT_CHECK)):
        assert sorted(set(numbers)) == sorted(numbers)


@pytest.mark.parametrize(("path", "name"), sorted(set(TEST.findall(DOCUMENT))))
def test_every_test_that_is_named_is_there(path, name):
    assert (ROOT / path).exists()
    if name:
        assert f"def {name.removeprefix('::')}(" in (ROOT / path).read_text()
