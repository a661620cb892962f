"""docs/operating.md and the dashboard speak of metrics, fields and messages that there are, and of all of them."""

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from serving import access, counts
from serving import metric_cells as cells
from serving.deaths import CAUSES
from serving.embedded_metrics import EmbeddedMetrics
from serving.exposition import Counted, Exposition
from serving.inference import Timing
from serving.metric_table import Table

CODE = Path(counts.__file__).parent.parent
DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operating.md").read_text()
DASHBOARD = json.loads((DOCS / "dashboards" / "byoc.json").read_text())
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def table_under(*headers: str) -> list[list[str]]:
    """Return the cells of the table with these headers."""
    found, inside = [], False
    for line in PAGE.splitlines():
        row = [cell.strip() for cell in line.strip().strip("|").split(" | ")] if line.startswith("|") else []
        if row == list(headers):
            inside = True
        elif not row:
            inside = False
        elif inside and not set(line) <= set("|- "):
            found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))])
    assert found
    return found


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """A table in which every metric has a value."""
    made = Table.create(tmp_path, 1)
    worker = made.slot_of_worker(0)
    worker.set(cells.PID, 1)
    worker.add(cells.cell_of_request("/invocations", 200))
    for histogram in (cells.REQUEST_SECONDS, cells.QUEUE_SECONDS, cells.MODEL_SECONDS, cells.BATCH_REQUESTS):
        worker.observe(histogram, 1.0)
    return made


def collected(table: Table) -> list[Metric]:
    return list(Counted(table, None, CODE, lambda pid: 1000).collect())


def test_every_metric_is_in_the_page_as_it_is_exposed(table: Table) -> None:
    exposed = [
        (
            metric.name + ("_total" if metric.type == "counter" else ""),
            metric.type,
            {label for sample in metric.samples for label in sample.labels} - {"le"},
            metric.documentation,
        )
        for metric in collected(table)
    ]
    rows = table_under("Metric", "Type", "Labels", "Meaning")
    documented = [(names_in(name)[0], kind, set(names_in(labels)), about) for name, kind, labels, about in rows]
    assert sorted(documented) == sorted(exposed)


def test_the_dashboard_asks_for_metrics_that_there_are_and_for_all_of_them(table: Table) -> None:
    series = {
        metric.name + suffix: metric.name for metric in collected(table) for suffix in SUFFIXES.get(metric.type, ("",))
    }
    asked = {
        name
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\bserving_\w+", target["expr"])
    }
    assert asked <= set(series)
    assert {series[name] for name in asked} == set(series.values())


def test_the_dashboard_groups_by_labels_that_there_are(table: Table) -> None:
    labels = {label for metric in collected(table) for sample in metric.samples for label in sample.labels}
    asked = re.findall(r"by \(([^)]*)\)", json.dumps(DASHBOARD))
    assert {label.strip() for group in asked for label in group.split(",")} <= labels
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels


def test_the_panels_of_the_dashboard_have_places_and_ids_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    (source,) = DASHBOARD["templating"]["list"]
    assert {panel["datasource"]["uid"] for panel in panels} == {f"${{{source['name']}}}"}


def test_what_is_said_of_paths_and_codes_is_so() -> None:
    assert all(f"`{path}`" in PAGE for path in cells.PATHS)
    named = set(re.findall(r"\(`([a-z_]+)`\)", PAGE))
    assert named
    assert named <= set(CAUSES)


def test_every_embedded_metric_is_in_the_page_with_its_unit(table: Table, tmp_path: Path) -> None:
    written: list[str] = []
    other = tmp_path / "other"
    other.mkdir()
    metrics = EmbeddedMetrics("Byoc", Table.create(other, 1), other, "abalone", written.append)
    metrics._table = table
    metrics.write()
    (directive,) = json.loads(written[0])["_aws"]["CloudWatchMetrics"]
    rows = table_under("Name", "Unit", "Meaning")
    documented = {(name, unit) for names, unit, _ in rows for name in names_in(names)}
    assert documented == {(metric["Name"], metric["Unit"]) for metric in directive["Metrics"]}


def test_every_field_of_an_access_line_is_in_the_page(capfd: pytest.CaptureFixture[str]) -> None:
    timing = Timing()
    timing.queue_seconds, timing.model_seconds, timing.batch = 0.1, 0.2, 1
    access.log.setLevel("INFO")
    line: dict[str, Any] = {"request_id": "1", "method": "POST", "path": "/invocations", "status": 400, "code": "c"}
    line |= {"request_bytes": 1, "response_bytes": 2, "streamed": True, "ended": "whole", "answered_by": "nginx"}
    access.log_access(line, 0.0, timing)
    access.log.setLevel("NOTSET")
    documented = {name for names, _ in table_under("Field", "Meaning") for name in names_in(names)}
    assert documented == set(json.loads(capfd.readouterr().err))


def words_of_the_code() -> Iterator[str]:
    """Yield every string in the server's code, those with values in them in pieces."""
    for path in CODE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        documentation = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and isinstance(node.body[0] if node.body else None, ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                yield node.value


@pytest.mark.parametrize("message", [names_in(row[0])[0] for row in table_under("It says", "Cause", "What to do")])
def test_every_message_in_the_page_is_one_that_the_server_has(message: str) -> None:
    words = list(words_of_the_code())
    pieces = [piece.strip('" ').strip() for piece in message.split("…")]
    assert any(pieces)
    for piece in filter(None, pieces):
        assert any(piece in text for text in words), piece


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on PATH; Debian's package is prometheus")
def test_prometheus_itself_has_nothing_against_the_text(table: Table) -> None:
    text, _ = Exposition(table, None, CODE, lambda pid: 1000)()
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_prometheus_own_parser_reads_every_series(table: Table) -> None:
    text, _ = Exposition(table, None, CODE, lambda pid: 1000)()
    read = {family.name for family in text_string_to_metric_families(text.decode())}
    assert read == {metric.name for metric in collected(table)}
