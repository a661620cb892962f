"""docs/deploying.md says of each setting of a stage what the code says, and of no other; and of each verb."""

import re

import pytest
from pydantic import BaseModel

from deploy.__main__ import parser
from deploy.call.cutting import BY_TYPE, Cut
from deploy.stage.files import CLASSES, KINDS
from deploy.stage.wording import table_in
from server import ROOT

PAGE = (ROOT / "docs" / "deploying.md").read_text()
PAGES = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
HEADER = "| setting | default | meaning |"


def settings_of(kind: type[BaseModel], before: str = "") -> set[str]:
    """The settings of a kind as the page writes them: `instance.type`."""
    names: set[str] = set()
    for name, field in kind.model_fields.items():
        table = table_in(field.annotation)
        if table is None:
            names.add(before + name)
        elif name == "containers":
            names |= settings_of(table)
        else:
            names |= settings_of(table, f"{name}.")
    return names


def rows_of(page: str) -> dict[str, tuple[str, str]]:
    """Setting -> (default, meaning), of all the tables of settings."""
    rows = {}
    for block in page.split(HEADER)[1:]:
        for line in block.splitlines()[2:]:
            if not line.startswith("|"):
                break
            names, default, meaning = (cell.strip() for cell in line.strip("|").split("|"))
            rows |= {name.strip("` "): (default, meaning) for name in names.split(",")}
    return rows


def test_every_setting_is_documented_and_nothing_else_is():
    settings = {name for kind in CLASSES.values() for name in settings_of(kind)} - {"environment"}
    assert set(rows_of(PAGE)) == settings | {"environment"}


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_a_number_that_is_documented_as_the_default_is_the_default(kind):
    documented = rows_of(PAGE)
    for name, field in kind.model_fields.items():
        table = table_in(field.annotation)
        for inner, one in table.model_fields.items() if table and name != "containers" else ():
            default, _ = documented[f"{name}.{inner}"]
            if isinstance(one.default, int | float) and not isinstance(one.default, bool) and "," not in default:
                assert default.replace("`", "") == f"{one.default:g}", f"{name}.{inner}"


def test_every_kind_and_every_verb_is_there():
    for kind in KINDS:
        assert f"| `{kind}` | " in PAGE
    verbs = re.findall(r"^    ([a-z-]+)\b", parser().format_help(), re.MULTILINE)
    assert len(verbs) == 16
    for verb in verbs:
        assert f"make {verb.replace('-', '_')}" in PAGES or f"python -m deploy {verb}" in PAGES


def test_the_table_of_cuts_is_that_of_the_code():
    rows = re.findall(r"^\| (CSV.*|JSON.*) \| (.*) \| Line \| (\w+) \| (None|Line)\b", PAGE, re.MULTILINE)
    assert {(strategy, assemble) for _, _, strategy, assemble in rows} == {
        (cut.strategy, cut.assemble) for cut in BY_TYPE.values()
    }
    assert Cut() == Cut("None", None, "None")
