"""
CloudWatch's embedded metric format, for whom nobody scrapes: serverless endpoints and batch transform jobs.

A line of JSON on stdout each minute and at the end, with what happened since the line before. CloudWatch makes metrics
of it. A serverless container stands still between requests: its line comes when it goes on, and what it never went on
to write is lost with it.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from serving import memory
from serving import metric_cells as cells
from serving.deaths import CAUSES
from serving.log_stream import LogStream
from serving.metric_cells import Histogram, requests_in
from serving.metric_table import Table

EVERY = 60.0  # seconds

Clock = Callable[[], float]


class Value(NamedTuple):
    """A metric, in CloudWatch's words."""

    name: str
    unit: str
    value: float


class EmbeddedMetrics:
    """Writes the lines, from the supervisor."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it tells of, and where
        self,
        namespace: str | None,
        table: Table,
        run_dir: Path,
        model: str,
        write: Callable[[str], None],
        clock: Clock = time.monotonic,
    ):
        """Begin to count; without a *namespace* nothing is ever written."""
        self._namespace, self._table, self._run_dir, self._model = namespace, table, run_dir, model
        self._write, self._clock = write, clock
        self._due = clock() + EVERY
        self._before = table.totals()

    @property
    def seconds_left(self) -> float | None:
        """Return the seconds until the next line is due, None if none ever is."""
        return None if self._namespace is None else max(0.0, self._due - self._clock())

    def write_if_due(self) -> None:
        """Write a line each minute."""
        if self.seconds_left == 0.0:
            self.write()

    def write(self, *, at_the_end: bool = False) -> None:
        """Write a line now; *at_the_end* nothing is said of what is so: no worker is ready then, as it should be."""
        if self._namespace is None:
            return
        self._due = self._clock() + EVERY
        numbers = self._table.totals()
        values = [*self._since(numbers), *(() if at_the_end else self._now(numbers))]
        self._before = numbers
        self._write(line(self._namespace, self._model, values, time.time()) + "\n")

    def _since(self, numbers: Sequence[float]) -> Iterator[Value]:
        """Yield what has happened since the last line."""
        new = [now - before for now, before in zip(numbers, self._before, strict=True)]
        invocations = [(status, number) for path, status, number in requests_in(new) if path == cells.PATHS[0]]
        yield Value("Invocations", "Count", sum(number for _, number in invocations))
        for first in (4, 5):
            errors = sum(number for status, number in invocations if status // 100 == first)
            yield Value(f"Invocation{first}XXErrors", "Count", errors)
        yield Value("Overloaded", "Count", new[cells.cell_of_refusal("overloaded")])
        yield Value("WorkerDeaths", "Count", sum(new[cells.cell_of_death(cause)] for cause in CAUSES))
        yield Value("LogLinesDropped", "Count", new[cells.LINES_DROPPED])
        for name, histogram in (("Request", cells.REQUEST_SECONDS), ("Queue", cells.QUEUE_SECONDS)):
            for percent in (50, 99):
                if (seconds := quantile(new, histogram, percent / 100)) is not None:
                    yield Value(f"{name}LatencyP{percent}", "Milliseconds", round(seconds * 1000, 2))
        for name, unit, histogram, factor in (
            ("ModelLatency", "Milliseconds", cells.MODEL_SECONDS, 1000),
            ("BatchRequests", "Count", cells.BATCH_REQUESTS, 1),
        ):
            if number := sum(new[histogram.first : histogram.sum]):
                yield Value(name, unit, round(new[histogram.sum] / number * factor, 2))

    def _now(self, numbers: Sequence[float]) -> Iterator[Value]:
        """Yield what is so at the moment."""
        pids = [int(worker[cells.PID]) for _, worker in self._table.workers() if worker[cells.PID]]
        yield Value("InFlight", "Count", numbers[cells.IN_FLIGHT])
        yield Value("Waiting", "Count", numbers[cells.WAITING])
        yield Value("WorkersReady", "Count", len(pids))
        yield Value("Ready", "Count", float((self._run_dir / "healthy").exists()))
        yield Value("WorkersMemory", "Bytes", sum(memory.held_by(pid) or 0 for pid in pids))


def quantile(numbers: Sequence[float], histogram: Histogram, share: float) -> float | None:
    """Return an estimate, linear inside a bucket, as Prometheus does; None without values."""
    counts = numbers[histogram.first : histogram.sum]
    wanted, below, low = share * sum(counts), 0.0, 0.0
    for count, high in zip(counts, (*histogram.bounds, histogram.bounds[-1]), strict=True):
        if count and below + count >= wanted:
            return low + (high - low) * (wanted - below) / count
        below, low = below + count, high
    return None


def line(namespace: str, model: str, values: Sequence[Value], now: float) -> str:
    """Return a line in the format; *now* is in seconds since the epoch."""
    metrics = [{"Name": value.name, "Unit": value.unit} for value in values]
    directive = {"Namespace": namespace, "Dimensions": [["Model"]], "Metrics": metrics}
    described = {"Timestamp": int(now * 1000), "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": described, "Model": model, **{value.name: value.value for value in values}})


def stdout() -> LogStream:
    """Return where the lines go, which must not make the supervisor wait either."""
    stream = LogStream(1)
    stream.never_wait()
    return stream
