"""What a document shows can be pasted: no typographic characters in commands, no Python that cannot run."""

import ast
import re
import shutil
import subprocess
import sys
import textwrap
from typing import NamedTuple

import pytest

from server import ROOT

# What a word processor puts in the place of -, -, ', " and a space; a shell takes none of them for what they look like.
TYPOGRAPHIC = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u00a0\u202f"
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"-c '\n(.*?)\n'", re.DOTALL)
# Names without a definition, f-strings without a field, and fields without an f.
FAULTS = "F821,F822,F823,F50,F52,F54,RUF027"
RUFF = (sys.executable, "-m", "ruff", "check", "--isolated", "--quiet", "--preview", "--select", FAULTS)


class Block(NamedTuple):
    """A block of code of a document."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def documents():
    """Every document for users: those about tests show what their authors did."""
    folders = ("docs", "models", "deploy", "benchmark", "reliability", "container", "compiling")
    nested = (path for folder in folders for path in (ROOT / folder).rglob("*.md"))
    return sorted([*ROOT.glob("*.md"), *nested])


def blocks_in(text, document):
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(document, line, found["language"], textwrap.dedent(found["text"]))


def snippets_in(block):
    """The Python of a block: all of it, or what a command of it is given with -c."""
    return [block.text] if block.language == "python" else INLINE.findall(block.text)


def faults_of(python):
    """What is wrong with a piece of Python by itself: nothing, or what ruff says."""
    try:
        ast.parse(python)
    except SyntaxError as error:
        return f"{type(error).__name__}: {error}"
    done = subprocess.run([*RUFF, "-"], input=python, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def typographic_in(block):
    return {character for character in block.text if character in TYPOGRAPHIC}


BLOCKS = [block for path in documents() for block in blocks_in(path.read_text(), str(path.relative_to(ROOT)))]
WITH_PYTHON = [(block, snippet) for block in BLOCKS for snippet in snippets_in(block)]


def test_there_are_blocks_to_look_at():
    documents_seen = {block.document for block in BLOCKS}
    assert {"README.md", "docs/deploying.md", "docs/writing-a-model.md", "models/abalone/README.md"} <= documents_seen
    assert {block.document for block, _ in WITH_PYTHON} >= {"README.md", "docs/writing-a-model.md"}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_no_block_has_a_typographic_dash_quote_or_space(block):
    assert not typographic_in(block)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "sh"], ids=str)
def test_every_command_is_one_that_bash_reads(block):
    done = subprocess.run([shutil.which("bash"), "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("block", "python"), WITH_PYTHON, ids=[str(block) for block, _ in WITH_PYTHON])
def test_all_python_compiles_by_itself_and_names_nothing_that_is_not_there(block, python):
    assert faults_of(python) == ""


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("image = featurizer_ecr_repo_uri", "Undefined name `featurizer_ecr_repo_uri`"),
        ('uri = f"account.dkr.ecr"', "f-string without any placeholders"),
        ('account = "1"\nuri = "{account}.dkr.ecr"', "Possible f-string without an `f` prefix"),
        ('uri = f"{account', "SyntaxError"),
        ("sagemaker.delete_endpoint(EndpointName=\u201crings\u201d)", "SyntaxError"),
    ],
)
def test_faults_of_the_kind_that_documents_have_are_found(python, said):
    assert said in faults_of(python)


def test_a_dash_that_is_none_is_found():
    (block,) = blocks_in("Run:\n\n```sh\ndocker run —rm image\n```\n", "page.md")
    assert (typographic_in(block), str(block)) == ({"\u2014"}, "page.md:3")
