"""A container as most are written today is told what SageMaker will not like about it, and what to do."""

import os
import uuid
from pathlib import Path

import pytest

from mutants.checking import check_contract
from server import docker

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

MUTANTS = Path(__file__).parent
# Workers are counted by the machine's CPUs, which is no mistake where there is one.
BY_CPUS = {"1.09"} if (os.cpu_count() or 1) > 1 else set()
NOT_KEPT = {
    *BY_CPUS,
    "1.12",  # listen 8080
    "1.20",  # /ping by GET only
    "1.25",  # a static /ping
    "1.28",  # serve leaves at once
    "1.29",  # with 0, whatever happened
    "1.31",  # client_max_body_size 5m
    "1.35",  # the content type is compared as a string
    "3.33",  # and so is a parameter of it
    "1.37",  # Flask's text/html
    "1.46",  # 500 for a body that cannot be read
    "1.55",  # logs in /var/log
    "4.04",  # client_max_body_size again
    "5.12",  # logs in /var/log that are root's
}


@pytest.fixture(scope="module")
def run(image, tmp_path_factory):
    """The suite's run on the usual container."""
    folder, tag = MUTANTS / "usual_container", f"contract-usual:{uuid.uuid4().hex[:12]}"
    docker("build", "--build-arg", f"BASE_IMAGE={image}", "--tag", tag, str(folder))
    try:
        yield check_contract(tag, f"--model={MUTANTS / 'model'}", folder=tmp_path_factory.mktemp("usual"))
    finally:
        docker("rmi", "--force", tag)


def test_a_usual_container_breaks_the_contract(run):
    assert run.status == 1, run.progress
    assert "SageMaker's contract is broken." in " ".join(run.table.split())


def test_exactly_its_known_faults_are_found(run):
    assert run.not_kept() == NOT_KEPT, run.table
    assert len(NOT_KEPT) >= 12


def test_each_fault_comes_with_what_was_seen_and_what_to_do(run):
    faults = [result for result in run.results if result["clause"] in run.not_kept()]
    assert faults
    assert [fault["clause"] for fault in faults if not (fault["seen"] and fault["todo"])] == []
