"""CloudWatch's embedded metric format, as its specification wants it: a line a minute, with what is new in it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from serving import metric_cells as cells
from serving.embedded_metrics import EVERY, EmbeddedMetrics, quantile
from serving.metric_table import SUPERVISOR, Slot, Table
from serving.settings import Settings
from serving.variables import StartError

UNITS = {"Count", "Milliseconds", "Bytes"}  # of those that CloudWatch has


class Emf:
    """The metrics of a table, with a clock that the test turns."""

    def __init__(self, run_dir: Path, namespace: str | None = "Byoc"):
        self.now = 100.0
        self.written: list[str] = []
        self.table = Table.create(run_dir, 2)
        self.metrics = EmbeddedMetrics(
            namespace, self.table, run_dir, "abalone", self.written.append, clock=lambda: self.now
        )

    @property
    def worker(self) -> Slot:
        """The slot of a worker."""
        return self.table.slot_of_worker(0)

    def line(self) -> dict[str, Any]:
        """Write a line, and return it."""
        self.metrics.write()
        return json.loads(self.written[-1])


@pytest.fixture
def emf(tmp_path: Path) -> Emf:
    return Emf(tmp_path)


def test_a_line_is_of_the_form_that_cloudwatch_reads(emf: Emf) -> None:
    emf.worker.observe(cells.REQUEST_SECONDS, 0.004)
    line = emf.line()
    assert emf.written[-1].count("\n") == 1
    assert abs(line["_aws"]["Timestamp"] / 1000 - time.time()) < 3600
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Byoc"
    assert directive["Dimensions"] == [["Model"]]
    assert line["Model"] == "abalone"
    names = [metric["Name"] for metric in directive["Metrics"]]
    assert len(names) == len(set(names)) <= 100  # the format's limit
    assert {metric["Unit"] for metric in directive["Metrics"]} <= UNITS
    assert set(line) == {"_aws", "Model", *names}
    assert all(isinstance(line[name], int | float) for name in names)


def test_a_line_has_what_is_new_since_the_one_before(emf: Emf) -> None:
    emf.worker.add(cells.cell_of_request("/invocations", 200), 3)
    emf.worker.add(cells.cell_of_request("/invocations", 415))
    emf.table.slot(SUPERVISOR).add(cells.cell_of_request("/invocations", 503))
    first, second = emf.line(), emf.line()
    assert (first["Invocations"], first["Invocation4XXErrors"], first["Invocation5XXErrors"]) == (5, 1, 1)
    assert (second["Invocations"], second["Invocation4XXErrors"], second["Invocation5XXErrors"]) == (0, 0, 0)


def test_latencies_without_a_request_are_left_out_rather_than_zero(emf: Emf) -> None:
    assert "RequestLatencyP99" not in emf.line()
    assert "ModelLatency" not in emf.line()


def test_a_line_is_due_every_minute(emf: Emf) -> None:
    emf.metrics.write_if_due()
    assert (emf.metrics.seconds_left, emf.written) == (EVERY, [])
    emf.now += EVERY
    emf.metrics.write_if_due()
    emf.metrics.write_if_due()
    assert (emf.metrics.seconds_left, len(emf.written)) == (EVERY, 1)


def test_a_container_that_stood_still_for_an_hour_writes_one_line_when_it_goes_on(emf: Emf) -> None:
    emf.now += 3600
    emf.metrics.write_if_due()
    emf.metrics.write_if_due()
    assert len(emf.written) == 1


def test_at_the_end_nothing_is_said_of_workers_that_have_left_as_they_should(emf: Emf) -> None:
    emf.worker.add(cells.cell_of_request("/invocations", 200))
    emf.metrics.write(at_the_end=True)
    line = json.loads(emf.written[-1])
    assert line["Invocations"] == 1
    assert not {"Ready", "WorkersReady"} & set(line)


def test_without_a_namespace_nothing_is_ever_written(tmp_path: Path) -> None:
    emf = Emf(tmp_path, None)
    emf.now += 10 * EVERY
    emf.metrics.write_if_due()
    emf.metrics.write(at_the_end=True)
    assert emf.metrics.seconds_left is None
    assert emf.written == []


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([0.004] * 100, 0.5, 0.00375), ([0.004] * 99 + [0.3], 0.99, 0.005), ([1000.0], 0.5, 60.0)],
    ids=["none", "in the middle of a bucket", "at its end", "above all bounds"],
)
def test_quantiles_are_estimated_as_prometheus_does(
    emf: Emf, values: list[float], share: float, expected: float | None
) -> None:
    for value in values:
        emf.worker.observe(cells.REQUEST_SECONDS, value)
    found = quantile(emf.table.totals(), cells.REQUEST_SECONDS, share)
    assert found == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("namespace", ["AWS/SageMaker", ":mine", "two words", "é", "x" * 256])
def test_a_namespace_that_cloudwatch_refuses_ends_the_start(namespace: str) -> None:
    with pytest.raises(StartError, match=r"SERVING_EMF is .*; expected a namespace: letters, digits and"):
        Settings.from_environment({"SERVING_EMF": namespace})


def test_a_namespace_may_have_a_slash() -> None:
    assert Settings.from_environment({"SERVING_EMF": "Byoc/abalone"}).emf == "Byoc/abalone"
