"""docs/api.md says what the code does: settings, defaults, answers, and what the page says."""

import re

import pytest

from deploy.api import handler
from deploy.api.settings import Api
from server import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text()
SCRIPT = (ROOT / "deploy" / "api" / "web" / "page.js").read_text()
MARKUP = (ROOT / "deploy" / "api" / "web" / "index.html").read_text()


def rows_below(header: str) -> list[list[str]]:
    block = PAGE.split(header)[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()[2:]]


def test_every_setting_is_documented_with_its_default():
    documented = {name.strip("`"): default for name, default, _ in rows_below("| setting | default | meaning |")}
    assert set(documented) == set(Api.model_fields)
    for name, field in Api.model_fields.items():
        default = field.default if isinstance(field.default, list) else [field.default]
        expected = "none" if field.is_required() else ", ".join(f"`{one}`" for one in default)
        assert documented[name] == expected


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("500", handler.BROKEN),
        ("502", handler.FAILED),
        ("503", handler.BUSY),
        ("504", handler.TOO_SLOW),
        ("500 or 503", ""),
        ("502", "The model cannot be reached."),
        ("200", "Request successful."),
    ],
)
def test_every_answer_is_documented(status, said):
    assert [row for row in rows_below("| status | when | `msg` |") if row[0].startswith(status) and row[2] == said]


def test_the_numbers_of_the_page_are_documented():
    assert 'data-longest="5000"' in MARKUP
    assert "5,000 characters" in PAGE
    assert 'data-seconds="32"' in MARKUP
    assert "no answer in 32 s" in PAGE
    assert re.search(r", 4000\);", SCRIPT)
    assert "after 4 s" in PAGE


def test_the_page_shows_text_as_text_and_has_no_script_or_style_in_its_markup():
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", SCRIPT)
    assert not re.search(r"<style|style=|<script(?! src=)| on[a-z]+=", MARKUP)
    assert "unsafe" not in MARKUP


def test_the_longest_review_is_never_too_long_for_the_api():
    """5,000 characters have at most 4 bytes each."""
    assert Api.model_fields["max_bytes"].default >= 5000 * 4
