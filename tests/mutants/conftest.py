"""Runs of the suite on broken servers: several at a time, for most of each is waiting."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from mutants.registry import Entry
from server import ROOT, docker

AT_A_TIME = 3
MUTANTS = Path(__file__).parent
MODEL = MUTANTS / "model"
TERMINAL = {"COLUMNS": "100"}


@dataclass(frozen=True)
class Run:
    """What one run of the suite said."""

    status: int
    table: str
    progress: str
    results: list[dict[str, str]]

    def not_kept(self) -> set[str]:
        """Return the clauses that are broken, required or not."""
        return {result["clause"] for result in self.results if result["outcome"] in ("broken", "advice")}


def check_contract(target: str, *options: str, folder: Path) -> Run:
    """Run the suite as a user does."""
    results = folder / "results.json"
    command = [str(ROOT / "local_test" / "check_contract.sh"), target, f"--json={results}", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **TERMINAL})
    found = json.loads(results.read_text()) if results.exists() else []
    return Run(done.returncode, done.stdout, done.stderr, found)


def program(entry: Entry, folder: Path) -> str:
    """Write a program that runs the mutant."""
    path = folder / entry.name
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {MUTANTS / "run.py"} {entry.name} "$@"\n')
    path.chmod(0o755)
    return str(path)


def built_image(entry: Entry, base: str, folder: Path) -> str:
    """Build an image that runs the mutant."""
    tag = f"contract-mutant:{entry.name.lower()}"
    lines = [
        (MUTANTS / "Dockerfile").read_text(),
        f'ENTRYPOINT ["python", "/mutants/run.py", "{entry.name}"]',
        *(entry.image or ()),
    ]
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text("\n".join(lines) + "\n")
    docker("build", "--file", str(dockerfile), "--build-arg", f"BASE_IMAGE={base}", "--tag", tag, str(MUTANTS))
    return tag


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Run]]:
    """Return the run on a mutant; all that are asked for in this session begin at once."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        begun: dict[tuple[str, bool], Future[Run]] = {}

        def begin(entry: Entry, in_image: bool) -> "Future[Run]":
            key = (entry.name, in_image)
            if key not in begun:
                base = request.getfixturevalue("image") if in_image else ""
                folder = tmp_path_factory.mktemp(entry.name)
                begun[key] = pool.submit(run, entry, base, folder)
            return begun[key]

        for item in request.session.items:
            parameters = getattr(getattr(item, "callspec", None), "params", {})
            if "mutant" in parameters and not item.get_closest_marker("skip"):
                begin(*parameters["mutant"])
        yield lambda entry, in_image: begin(entry, in_image).result()


def run(entry: Entry, base: str, folder: Path) -> Run:
    """Run the suite on a mutant, in an image if there is a *base* for one."""
    target = built_image(entry, base, folder) if base else program(entry, folder)
    try:
        return check_contract(target, f"--model={MODEL}", *entry.options, folder=folder)
    finally:
        if base:
            docker("rmi", "--force", target, check=False)
