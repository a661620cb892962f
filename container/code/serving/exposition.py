"""`GET /metrics`: what all processes have counted, in Prometheus' text format."""

import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as TEXT  # which every scraper reads
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from serving import memory
from serving import metric_cells as cells
from serving.deaths import CAUSES
from serving.manifest import FILE_NAME, installed_version
from serving.metric_cells import CODES, Histogram, cumulated, requests_in
from serving.metric_table import Table

LIBRARIES = ("scikit-learn", "xgboost-cpu", "onnxruntime", "numpy", "pandas")
FRESH = 5.0  # seconds for which the memory of processes is not read again: the kernel goes over all their pages

HISTOGRAMS = {
    "serving_request_seconds": (
        cells.REQUEST_SECONDS,
        "From the head of an invocation to the end of its answer, by a worker.",
    ),
    "serving_queue_seconds": (cells.QUEUE_SECONDS, "How long an invocation waited for the model."),
    "serving_model_seconds": (
        cells.MODEL_SECONDS,
        "How long a batch took in the model's thread, hooks and all.",
    ),
    "serving_batch_requests": (cells.BATCH_REQUESTS, "How many invocations were answered together."),
}
COUNTERS = {
    "serving_request_bytes_total": (cells.REQUEST_BYTES, "Bytes of the bodies of invocations."),
    "serving_response_bytes_total": (cells.RESPONSE_BYTES, "Bytes of the bodies of answers to invocations."),
    "serving_streams_broken_total": (cells.STREAMS_BROKEN, "Streamed answers that broke in the middle."),
    "serving_log_lines_dropped_total": (cells.LINES_DROPPED, "Log lines that stderr did not take."),
    "serving_worker_starts_total": (cells.WORKER_STARTS, "Workers that became ready, replacements among them."),
}
IN_ALL = {
    "serving_requests_in_flight": (cells.IN_FLIGHT, "Invocations that workers have and have not answered."),
    "serving_requests_waiting": (cells.WAITING, "Those of them that wait for the model, as of a second ago."),
}


class Counted(Collector):
    """Collects what is in the table, whenever somebody asks."""

    def __init__(self, table: Table, run_dir: Path | None, model_dir: Path, held_by: Callable[[int], int | None]):
        """Go by *run_dir* for the health verdict, and by *held_by* for a process's memory in bytes."""
        self._table, self._run_dir, self._held_by = table, run_dir, held_by
        self._served = [*model_of(model_dir), *versions()]

    def collect(self) -> Iterable[Metric]:
        """Yield every metric."""
        numbers = self._table.totals()
        yield from requests(numbers)
        for name, (histogram, about) in HISTOGRAMS.items():
            yield distribution(name, about, histogram, numbers)
        for name, (cell, about) in COUNTERS.items():
            yield CounterMetricFamily(name, about, numbers[cell])
        for name, (cell, about) in IN_ALL.items():
            yield GaugeMetricFamily(name, about, numbers[cell])
        yield deaths(numbers)
        yield from self._processes()
        yield from self._state()

    def _processes(self) -> Iterator[Metric]:
        """Yield what is known of each worker."""
        pids = {number: int(numbers[cells.PID]) for number, numbers in self._table.workers()}
        ready = {number: pid for number, pid in pids.items() if pid}
        yield GaugeMetricFamily("serving_workers_ready", "Workers that are ready.", len(ready))
        held = GaugeMetricFamily(
            "serving_worker_memory_bytes", "Memory of a worker; of pages that it shares, its part.", labels=["worker"]
        )
        amounts = {number: self._held_by(pid) for number, pid in ready.items()}
        for number, amount in amounts.items():
            if amount is not None:
                held.add_metric([str(number)], amount)
        yield held
        total = sum(amount or 0 for amount in amounts.values())
        yield GaugeMetricFamily("serving_workers_memory_bytes", "Memory of all workers.", total)

    def _state(self) -> Iterator[Metric]:
        """Yield the health verdict, and what is served."""
        healthy = self._run_dir is not None and (self._run_dir / "healthy").exists()
        yield GaugeMetricFamily("serving_ready", "1 while /ping answers 200, else 0.", float(healthy))
        seconds = self._table.highest(cells.LOAD_SECONDS)
        yield GaugeMetricFamily(
            "serving_model_load_seconds",
            "The longest that a process took to load the model.",
            seconds,
        )
        info = GaugeMetricFamily("serving_info", "Always 1; the labels say what is served.", labels=labels())
        info.add_metric(self._served, 1.0)
        yield info


class Exposition:
    """Writes the text."""

    def __init__(
        self, table: Table, run_dir: Path | None, model_dir: Path, held_by: Callable[[int], int | None] = memory.held_by
    ):
        """Read *table*; the memory of a process, which *held_by* tells, every few seconds at most."""
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(Counted(table, run_dir, model_dir, Fresh(held_by)))

    def __call__(self) -> tuple[bytes, str]:
        """Return the text and its media type."""
        return generate_latest(self._registry), TEXT


class Fresh:
    """Reads the memory of a process again when some time has passed."""

    def __init__(self, read: Callable[[int], int | None], clock: Callable[[], float] = time.monotonic):
        """Ask *read*."""
        self._read, self._clock = read, clock
        self._known: dict[int, tuple[float, int | None]] = {}

    def __call__(self, pid: int) -> int | None:
        """Return the bytes that the process holds."""
        now = self._clock()
        self._known = {one: known for one, known in self._known.items() if now - known[0] < FRESH}
        if pid not in self._known:
            self._known[pid] = now, self._read(pid)
        return self._known[pid][1]


def requests(numbers: Sequence[float]) -> Iterator[Metric]:
    """Yield requests by path and status, and refusals by code."""
    answered = CounterMetricFamily(
        "serving_requests_total", "Requests that were answered, pings aside.", labels=["path", "status"]
    )
    for path, status, number in requests_in(numbers):
        answered.add_metric([path, str(status)], number)
    yield answered
    refused = CounterMetricFamily(
        "serving_refusals_total", "Requests that were answered with an error.", labels=["code"]
    )
    for code, number in zip(CODES, numbers[cells.REFUSED :], strict=False):
        refused.add_metric([code], number)
    yield refused


def deaths(numbers: Sequence[float]) -> Metric:
    """Return how many workers died, and how."""
    died = CounterMetricFamily("serving_worker_deaths_total", "Workers that ended unasked.", labels=["cause"])
    for cause, number in zip(CAUSES, numbers[cells.DEATHS :], strict=False):
        died.add_metric([cause], number)
    return died


def distribution(name: str, about: str, histogram: Histogram, numbers: Sequence[float]) -> Metric:
    """Return a histogram; its count is that of its buckets, whatever is counted meanwhile."""
    counts = numbers[histogram.first : histogram.sum]
    bounds = [*map(str, histogram.bounds), "+Inf"]
    buckets = list(zip(bounds, cumulated(counts), strict=True))
    return HistogramMetricFamily(name, about, buckets=buckets, sum_value=numbers[histogram.sum])


def labels() -> list[str]:
    """Return the labels of `serving_info`."""
    return ["model", "manifest", "python", *(name.replace("-", "_") for name in LIBRARIES)]


def model_of(model_dir: Path) -> list[str]:
    """Return the folder's name, which is `model` on SageMaker, and what tells one artifact from another."""
    manifest = model_dir / FILE_NAME
    known = hashlib.sha256(manifest.read_bytes()).hexdigest()[:12] if manifest.is_file() else ""
    return [model_dir.resolve().name, known]


def versions() -> list[str]:
    """Return the versions of Python and of the libraries, empty for one that is not installed."""
    return [sys.version.split()[0], *(installed_version(name) or "" for name in LIBRARIES)]
