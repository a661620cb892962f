"""Runs of the suite, as a user has them."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from server import ROOT

RUN = Path(__file__).with_name("run.py")
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


def program(name: str, folder: Path) -> str:
    """Write a program that runs the server of that name."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {RUN} {name} "$@"\n')
    path.chmod(0o755)
    return str(path)


def check_contract(target: str, *options: str, folder: Path) -> Run:
    """Run the suite as a user does."""
    results = folder / "results.json"
    command = [str(ROOT / "local_test" / "check_contract.sh"), target, f"--json={results}", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **TERMINAL})
    found = json.loads(results.read_text()) if results.exists() else []
    return Run(done.returncode, done.stdout, done.stderr, found)
