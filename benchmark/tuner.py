"""What one instance of a user's own model holds, measured on this machine."""

import http.client
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark import closed_loop, open_loop
from benchmark.advice import Advice, Capacity
from benchmark.catalogue import CATALOGUE, Server
from benchmark.closed_loop import Closed
from benchmark.errors import Refused, say
from benchmark.model import Model
from benchmark.models import folder_named
from benchmark.open_loop import Offered
from benchmark.running import Running, Start
from benchmark.wire import Request

CONCURRENCIES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SHARES = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)  # of the closed loop's best rate, to be offered
BATCH_CONCURRENCIES = (1, 2, 4, 8, 16)
BATCH_ROWS = 500  # in a request of a transform job with BatchStrategy MultiRecord
LEAST_BUDGET = 100.0  # ms
TIMES_ALONE = 5
ENOUGH = 0.95  # of the best rate: more connections than that takes only wait
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".npy": "application/x-npy",
    ".txt": "text/plain",
}


@dataclass(frozen=True)
class Tuner:
    """The measurements; *p99_ms* 0 or None is for the default budget."""

    model: str
    workers: int | None
    p99_ms: float | None
    safety: float
    seconds: float

    def advice(self) -> Advice:
        """Measure, and return what to set."""
        folder = folder_named(self.model)
        sample = first_sample(folder)
        request = request_of(sample)
        server = server_for(request, self.workers)
        with started(server, folder) as running:
            ladder = list(self.climb(running, CONCURRENCIES))
            budget = self.p99_ms or max(LEAST_BUDGET, TIMES_ALONE * ladder[0][1].p99_ms)
            capacity = self.capacity(running, ladder, budget)
            seconds = running.seconds
        first, second = (self.memory(request, folder, workers) for workers in (1, 2))
        transforms, parameters = self.transforms(sample, folder)
        return Advice(
            model=folder.name,
            capacity=capacity,
            safety=self.safety,
            transforms=transforms,
            execution_parameters=parameters,
            first_worker_mb=first,
            further_worker_mb=round(second - first, 1),
            start_seconds=round(seconds, 1),
        )

    def climb(self, running: Running, counts: Sequence[int]) -> Iterator[tuple[int, Closed]]:
        """Yield what the server does with more and more connections, until that brings nothing for the third time."""
        best, worse = 0.0, 0
        for count in counts:
            seen = closed_loop.run(running.url, running.request, count, self.seconds)
            say(f"- {count} at once: {seen.rate:,.0f}/s, p50 {seen.p50_ms:.1f} ms, p99 {seen.p99_ms:.1f} ms")
            yield count, seen
            worse = worse + 1 if seen.rate < best * 1.02 else 0
            best = max(best, seen.rate)
            if worse == 3:
                return

    def capacity(self, running: Running, ladder: Sequence[tuple[int, Closed]], budget: float) -> Capacity:
        """Return the most that keeps the budget, as connections and as a rate."""
        kept = [(count, seen) for count, seen in ladder if seen.p99_ms <= budget and not seen.errors]
        if not kept:
            alone = ladder[0][1].p99_ms
            raise Refused(
                f"one request at a time already takes {alone:.1f} ms at p99, and the budget is {budget:g} ms.",
                "Allow more (--p99-ms), or make the model faster.",
            )
        count = fewest(kept)
        seen = dict(kept)[count]
        best = max(seen.rate for _, seen in ladder)
        held = self.held(running, best, budget)
        return Capacity(budget, count, seen.rate, seen.p50_ms, seen.p99_ms, best, held.rate, held.p99_ms)

    def held(self, running: Running, best: float, budget: float) -> Offered:
        """Return the highest offered rate that keeps the budget, of shares of the best rate."""
        request = running.request.as_http(running.host)
        for share in SHARES:
            rate = max(1.0, round(best * share))
            seen = open_loop.offer(("127.0.0.1", running.port), request, rate, self.seconds)
            late = f"{seen.late_p99_ms:.1f} ms of it the load's own"
            say(f"- {rate:,.0f}/s offered: p99 {seen.p99_ms:.1f} ms ({late}), {seen.errors} errors")
            if seen.p99_ms <= budget and not seen.errors:
                return seen
        raise Refused(
            f"not even {rate:,.0f} requests a second keep p99 within {budget:g} ms when they come evenly.",
            "Allow more (--p99-ms), or look whether something else keeps this machine busy.",
        )

    def memory(self, request: Request, folder: Path, workers: int) -> float:
        """Return the PSS of the whole server in MB, once its workers have predicted."""
        with started(server_for(request, workers), folder) as running:
            closed_loop.run(running.url, running.request, 8 * workers, 1)
            return round(running.pss_bytes() / 1024**2, 1)

    def transforms(self, sample: Path, folder: Path) -> tuple[int, Any]:
        """
        Measure as a transform job asks.

        Returns:
            The least concurrency with nearly the best throughput, and what the server itself tells the job.
        """
        request = request_of(sample)
        if sample.suffix in (".csv", ".jsonl"):
            lines = sample.read_bytes().splitlines()
            request = replace(request, body=b"\n".join((lines * BATCH_ROWS)[:BATCH_ROWS]) + b"\n")
        server = server_for(request, self.workers, SAGEMAKER_BATCH="true")
        with started(server, folder) as running:
            parameters = asked(running.port, "/execution-parameters")
            return fewest(list(self.climb(running, BATCH_CONCURRENCIES))), parameters


def fewest(ladder: Sequence[tuple[int, Closed]]) -> int:
    """Return the least concurrency whose rate is as good as the best."""
    best = max(seen.rate for _, seen in ladder)
    return next(count for count, seen in ladder if seen.rate >= ENOUGH * best)


def first_sample(folder: Path) -> Path:
    """Return the request to measure with: one_row.* if there is one."""
    files = [*sorted(folder.glob("samples/one_row.*")), *sorted(folder.glob("samples/*"))]
    for path in files:
        if ".expected." not in path.name and path.suffix in MEDIA_TYPES:
            return path
    raise Refused(f"{folder} has no sample request: looked in samples/.", "Put one there, such as one_row.csv.")


def request_of(sample: Path) -> Request:
    """Return the sample as a request; the server itself has checked its answer at the start."""
    expected = next(iter(sorted(sample.parent.glob(f"{sample.stem}.expected.*"))), None)
    accept = MEDIA_TYPES.get(expected.suffix, "*/*") if expected else "*/*"
    return Request("/invocations", MEDIA_TYPES[sample.suffix], sample.read_bytes(), accept)


def server_for(request: Request, workers: int | None, **environment: str) -> Server:
    """Return our server, asked with *request*; without a number it plans its workers itself."""
    planned = {"SAGEMAKER_MODEL_SERVER_WORKERS": str(workers) if workers else ""}
    return replace(CATALOGUE[0], wire=lambda _: request, environment={**planned, **environment})


class Own(Running):
    """A server with a user's own model, whose samples are its own business."""

    def require_right(self, body: bytes) -> None:
        """Take any 200 for an answer: the server replays the samples before it is ready."""


def started(server: Server, folder: Path) -> Own:
    """Return the server with the user's model, to be used in a `with`."""
    return Own(Start(server, Model(folder, (), (), ()), folder, 0))


def asked(port: int, path: str, connect: Callable[..., http.client.HTTPConnection] = http.client.HTTPConnection) -> Any:
    """Return the JSON at a path of the server."""
    connection = connect("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    content = json.loads(connection.getresponse().read())
    connection.close()
    return content
