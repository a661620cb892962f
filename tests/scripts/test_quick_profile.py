"""`--profile quick` of the contract: what is checked of an image before it is pushed."""

import json
import re
import subprocess

from checks import clauses_where
from contract.clauses import ALL, PIPELINE, QUICK, REAL_TIME, RECOMMENDED, REQUIRED, Clause
from mutants.checking import program
from server import ROOT

MODEL = ROOT / "tests" / "mutants" / "model"


def quick_clauses():
    """Return the clauses that are marked as quick."""
    return clauses_where(lambda check: any(keyword.arg == "quick" for keyword in check.keywords))


def test_the_document_names_the_clauses_of_the_quick_profile():
    document = (ROOT / "docs" / "contract.md").read_text()
    (sentence,) = re.findall(r"^These are (.*), each required if any profile requires it\.$", document, re.MULTILINE)
    assert re.findall(r"\d+\.\d\d", sentence) == sorted(
        quick_clauses(), key=lambda number: list(map(int, number.split(".")))
    )


def test_what_any_profile_requires_the_quick_one_requires():
    of_a_pipeline = Clause("1.12", "", "", required=(PIPELINE,), quick=True)
    recommended = Clause("1.21", "", "", recommended=(REAL_TIME,), quick=True)
    assert (of_a_pipeline.level(QUICK), recommended.level(QUICK)) == (REQUIRED, RECOMMENDED)
    assert of_a_pipeline.level(ALL) == of_a_pipeline.level(PIPELINE) == REQUIRED


def test_the_quick_profile_checks_its_own_clauses_alone(tmp_path):
    results = tmp_path / "results.json"
    target = program("PingsByGetOnly", tmp_path)
    options = ("--profile", "quick", "--clause", "1.20", "--clause", "1.31", "--json", str(results))
    command = [str(ROOT / "local_test" / "check_contract.sh"), target, "--model", str(MODEL), *options]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 1, checked.stderr
    (result,) = json.loads(results.read_text())
    assert (result["clause"], result["level"], result["outcome"]) == ("1.20", REQUIRED, "broken")
