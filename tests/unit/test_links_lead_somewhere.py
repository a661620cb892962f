"""Links between the documents: the file is there, and so is the heading."""

import re
from pathlib import Path

import pytest

from server import ROOT

LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
FOLDERS = ("docs", "models", "deploy", "benchmark", "reliability", "container", "compiling", "tests")


def documents():
    nested = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))
    return sorted([*ROOT.glob("*.md"), *nested])


def anchor_of(heading):
    """A heading as GitHub makes an anchor of it."""
    words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")


def anchors_of(path):
    return {anchor_of(heading) for heading in re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.MULTILINE)}


def lost_links(path):
    """Yield what the links of a document lead to and is not there."""
    for target, anchor in LINK.findall(FENCE.sub("", path.read_text())):
        found = (path.parent / target).resolve() if target else path
        if not found.exists():
            yield target
        elif anchor and found.suffix == ".md" and anchor not in anchors_of(found):
            yield f"{target}#{anchor}"


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(path):
    assert list(lost_links(path)) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# One: two\n[a](gone.md) [b](#one-two) [c](#three) [d](page.md#one-two) [e](https://x.org/gone)\n")
    assert list(lost_links(page)) == ["gone.md", "#three"]
