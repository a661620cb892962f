"""docs/source-systems.md has every row of the five systems once, and what it says of tests and pages is so."""

import ast
import re
from collections import Counter
from functools import cache
from typing import NamedTuple

import pytest

from server import ROOT

PAGE = ROOT / "docs" / "source-systems.md"
PAGES = sorted((ROOT / "docs" / "systems").glob("*.md"))
# How many rows each of the five documents has, and which of them have faults: rows such as `S0-5 T`.
ROWS = {"S0": 14, "S1": 9, "S2": 8, "S3": 6, "S4": 13}
FAULTS = (5, 7, 8, 9, 10, 11, 13), (8,), (), (5,), (2, 3, 5, 9, 12, 13)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)(?:\[[^`]*\])?`")
VERB = re.compile(r"\bmake ([a-z_-]+)\b")
CODE = re.compile(r"^ *```\w*\n.*?^ *```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


class Row(NamedTuple):
    """A row of a table: what a document says, what is here, and the tests that show it."""

    number: str
    document: str
    here: str
    shown_by: str


def rows_of(page):
    lines = [line for line in page.splitlines() if re.match(r"\| S\d-\d", line)]
    return [Row(*(cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|")))) for line in lines]


def numbers_of(system, count, faults):
    """The rows of a document, and the fewest rows of faults."""
    rows = [f"{system}-{number}" for number in range(1, count + 1)]
    return rows, [f"{system}-{number} T" for number in faults]


def place(number):
    """Where a row belongs: after the rows before it, and its faults after itself."""
    system, _, rest = number.partition("-")
    digits, _, fault = rest.partition(" ")
    return system, int(digits), fault


def is_explained(row):
    """A row names the tests that show it, or says why there is none."""
    return bool(TEST.search(row.shown_by)) or (row.shown_by == "-" and "reason:" in row.here)


@cache
def functions_of(path):
    """The names of a file's functions, nested ones left out."""
    tree = ast.parse((ROOT / path).read_text())
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    return {node.name for body in bodies for node in body if isinstance(node, ast.FunctionDef)}


def verbs_of_make():
    makefile = (ROOT / "Makefile").read_text()
    return {line.split(":")[0] for line in makefile.splitlines() if ": ## " in line}


ALL = rows_of(PAGE.read_text())
NAMED = sorted({named for row in ALL for named in TEST.findall(row.shown_by)})


@pytest.mark.parametrize(("system", "faults"), list(zip(ROWS, FAULTS, strict=True)))
def test_every_row_of_a_document_is_there_once_and_every_fault_at_least_once(system, faults):
    rows, of_faults = numbers_of(system, ROWS[system], faults)
    found = [row.number for row in ALL if row.number.startswith(f"{system}-")]
    assert [number for number in found if not number.endswith(" T")] == rows
    assert set(of_faults) <= set(found)


def test_the_rows_are_in_order_and_none_is_there_twice():
    assert [row.number for row in ALL] == sorted((row.number for row in ALL), key=place)
    assert not [row for row, count in Counter((row.number, row.document) for row in ALL).items() if count > 1]


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.number)
def test_every_row_says_what_is_here_and_is_shown_by_a_test_or_explained(row):
    assert row.document
    assert row.here
    assert is_explained(row), row


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[f"{path}::{name}" for path, name in NAMED])
def test_every_test_that_is_named_is_there(path, name):
    assert (ROOT / path).is_file(), f"{PAGE.name} names {path}, which is not there"
    assert name in functions_of(path), f"{PAGE.name} names {name}, which is not in {path}"


def test_everything_in_the_last_column_is_a_test():
    """A name that is not written as one would not be looked for."""
    for row in ALL:
        rest = TEST.sub("", row.shown_by)
        assert not re.search(r"tests/|test_|::", rest), row


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_systems_page_is_linked(path):
    assert f"](systems/{path.name})" in PAGE.read_text()


@pytest.mark.parametrize("path", [PAGE, *PAGES], ids=lambda path: path.name)
def test_every_verb_that_is_named_is_one_of_the_makefiles(path):
    named = {verb for code in CODE.findall(path.read_text()) for verb in VERB.findall(code)}
    assert named <= verbs_of_make()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_page_has_the_document_the_commands_and_what_is_better(path):
    headings = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
    assert [heading for heading in headings if heading.startswith("What the document did")]
    assert [heading for heading in headings if "three commands" in heading]
    assert [heading for heading in headings if heading.startswith("What is better")]


def test_a_row_without_a_test_and_without_a_reason_is_found():
    (row,) = rows_of("| S0-1 | weights inside | so they are | - |")
    assert not is_explained(row)
    assert is_explained(row._replace(here="not so; reason: a licence"))
    assert is_explained(row._replace(shown_by="`tests/a.py::test_b`"))
