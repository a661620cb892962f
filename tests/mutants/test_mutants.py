"""Each check of the contract is itself checked: a server that breaks its clause, and no other, is caught by it."""

import pytest

from mutants import answers, surroundings  # noqa: F401 - they register their mutants
from mutants.registry import ENTRIES

pytestmark = pytest.mark.timeout(1200)  # a run waits for those before it

REFERENCE = ENTRIES["Reference"]
ON_THIS_MACHINE = [entry for entry in ENTRIES.values() if entry.image is None]
IN_AN_IMAGE = [REFERENCE, *(entry for entry in ENTRIES.values() if entry.image is not None)]
CASES = [
    *(pytest.param((entry, False), id=f"{entry.name}-host") for entry in ON_THIS_MACHINE),
    *(pytest.param((entry, True), id=f"{entry.name}-image", marks=pytest.mark.engine) for entry in IN_AN_IMAGE),
]


@pytest.mark.parametrize("mutant", CASES)
def test_a_broken_clause_is_caught_by_its_check_and_by_no_other(runs, mutant):
    run = runs(*mutant)
    entry, _ = mutant
    assert run.results, run.progress
    assert run.not_kept() == ({entry.clause} if entry.clause else set()), f"{run.table}\n{run.progress}"


@pytest.mark.engine
def test_every_check_has_a_mutant(runs):
    checked = {result["clause"] for in_image in (False, True) for result in runs(REFERENCE, in_image).results}
    assert checked == {entry.clause for entry in ENTRIES.values() if entry.clause}


@pytest.mark.engine
def test_no_check_is_without_effect_on_the_reference(runs):
    """A clause that is not applicable to the reference has a mutant which it could never catch."""
    outcomes = [
        (result["clause"], result["outcome"]) for where in (False, True) for result in runs(REFERENCE, where).results
    ]
    kept = {clause for clause, outcome in outcomes if outcome == "kept"}
    assert {clause for clause, _ in outcomes} - kept == set()
