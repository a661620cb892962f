"""A run's results on disk: a folder with results.json, table.md and the plots."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.catalogue import ROOT
from benchmark.errors import Refused
from benchmark.machine import describe
from benchmark.measuring import Results
from benchmark.plan import Plan
from benchmark.table import page

FOLDER = ROOT / "benchmark" / "results"
FILE = "results.json"


def as_document(plan: Plan, results: Results) -> dict[str, Any]:
    """Return everything that is worth keeping, as JSON has it; what is no number there is null."""
    servers = {server.name: server.about for server in plan.servers}
    planned = asdict(plan) | {"servers": list(servers)}
    whole = {"machine": describe(ROOT), "plan": planned, "about": servers, **asdict(results)}
    return json.loads(json.dumps(whole), parse_constant=lambda _: None)  # type: ignore[no-any-return]


def write(document: dict[str, Any], folder: Path) -> None:
    """Write the results and the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(document, indent=1) + "\n")
    (folder / "table.md").write_text(page(document))


def read(folder: Path) -> dict[str, Any]:
    """Read what was written."""
    path = folder / FILE
    if not path.is_file():
        raise Refused(f"no results: looked for {path}.", "Measure first: make bench, or name the folder of a run.")
    return json.loads(path.read_text())  # type: ignore[no-any-return]
