"""The results for programs: JSON, and JUnit's XML, in which only a required clause is a failure."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree as ET

from contract.results import BROKEN, KEPT, Result


def write_json(results: Sequence[Result], path: Path) -> None:
    """Write a list of objects, one for each clause."""
    path.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")


def write_junit(results: Sequence[Result], target: str, path: Path) -> None:
    """Write a suite with a test case for each clause."""
    broken = sum(result.outcome == BROKEN for result in results)
    counts = {"tests": str(len(results)), "failures": str(broken)}
    suite = ET.Element("testsuite", {"name": f"SageMaker's contract: {target}", **counts})
    for result in results:
        suite.append(case_of(result))
    tree = ET.ElementTree(suite)
    ET.indent(tree)
    tree.write(path, encoding="unicode", xml_declaration=True)


def case_of(result: Result) -> ET.Element:
    """Return one clause as JUnit's readers know it."""
    case = ET.Element("testcase", {"classname": f"contract.{result.level}", "name": f"{result.clause} {result.asks}"})
    if result.outcome == BROKEN:
        ET.SubElement(case, "failure", {"message": result.seen}).text = result.todo
    elif result.outcome != KEPT:
        ET.SubElement(case, "skipped", {"message": f"{result.outcome}: {result.seen} {result.todo}".strip()})
    ET.SubElement(case, "system-out").text = f"{result.did}\n{result.seen}"
    return case
