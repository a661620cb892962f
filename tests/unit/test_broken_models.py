"""Every way in which a model folder can be broken ends the start with its own message, and a way out."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from builders import load, separate_imports
from serving.errors import StartError
from serving.samples import find_samples, replay

FOLDERS = Path(__file__).parents[1] / "broken_models"
EXPECTED: dict[str, str] = json.loads((FOLDERS / "expected.json").read_text())
MADE_HERE = {"no_folder", "empty_folder"}  # git keeps no empty folder

# What a message that says what to do contains, in whatever words.
INSTRUCTIONS = (
    "Answer with",
    *("Build", "Check", "Define", "Expected", "Install", "Keep", "Mend", "Mount", "Put", "Remove", "Rename"),
    *(
        "Restore",
        "Return",
        "Set",
        "Use",
        "Write",
        "add one",
        "list it in",
        "list them",
        "make manifest",
        "train it anew",
    ),
)


def model_folder(name: str, root: Path) -> Path:
    """Return a copy of the folder, so that nothing is written beside the original."""
    target = root / name
    if name == "empty_folder":
        target.mkdir()
    elif name not in MADE_HERE:
        shutil.copytree(FOLDERS / name, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def outcome(name: str, root: Path) -> BaseException | None:
    """Return what ends the start, up to and including the replay of the samples."""
    with separate_imports():
        try:
            model_dir = model_folder(name, root)
            replay(load(model_dir), find_samples(model_dir))
        except (Exception, SystemExit) as error:
            return error
    return None


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BaseException | None]:
    """The end of every start."""
    return {name: outcome(name, tmp_path_factory.mktemp(name)) for name in EXPECTED}


def test_every_folder_has_an_expected_message_and_every_message_a_folder() -> None:
    folders = {path.name for path in FOLDERS.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert folders | MADE_HERE == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_start_ends_with_the_folders_own_message(name: str, outcomes: Mapping[str, BaseException | None]) -> None:
    assert isinstance(outcomes[name], StartError)
    assert EXPECTED[name] in str(outcomes[name])


@pytest.mark.parametrize("name", EXPECTED)
def test_no_two_folders_have_the_same_message(name: str, outcomes: Mapping[str, BaseException | None]) -> None:
    assert [other for other, end in outcomes.items() if EXPECTED[name] in str(end)] == [name]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_message_says_what_to_do(name: str, outcomes: Mapping[str, BaseException | None]) -> None:
    message = str(outcomes[name])
    assert any(words in message for words in INSTRUCTIONS), message
