"""docs/settings.md says of each variable what the code says, and of no other."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.settings import VARIABLES
from serving.variables import Variable

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
HEADER = ["Variable", "Default", "Meaning"]
VARIABLE = r"\b(?:SAGEMAKER|SERVING|SM|MODEL_SERVER)_[A-Z][A-Z_]*\b"


def cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def rows() -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield (spellings, default, meaning) of each row of the tables headed Variable, Default, Meaning."""
    inside = False
    for line in PAGE.read_text().splitlines():
        if not line.startswith("|"):
            inside = False
        elif cells(line) == HEADER:
            inside = True
        elif inside and not set(line) <= set("|-: "):
            names, default, meaning = cells(line)
            yield tuple(name.strip("`") for name in names.split(", ")), default, meaning


def test_there_is_such_a_page() -> None:
    assert PAGE.is_file()
    assert list(rows())


@pytest.mark.parametrize("variable", VARIABLES.values(), ids=VARIABLES)
def test_a_variable_is_documented_with_all_its_spellings_its_default_and_its_meaning(variable: Variable) -> None:
    assert (variable.names, variable.default, variable.meaning) in list(rows())


def test_no_variable_is_documented_twice() -> None:
    names = [name for spellings, _, _ in rows() for name in spellings]
    assert len(names) == len(set(names))


def test_the_page_names_no_variable_that_nobody_reads() -> None:
    known = {name for variable in VARIABLES.values() for name in variable.names}
    assert set(re.findall(VARIABLE, PAGE.read_text())) <= known
    assert {name for spellings, _, _ in rows() for name in spellings} <= known
