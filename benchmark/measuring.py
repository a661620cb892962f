"""One run: servers take turns, and what each did is written down as plain rows."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmark import closed_loop, environments, open_loop
from benchmark.catalogue import Server
from benchmark.compiled import compiled_folder
from benchmark.errors import Unfit, say
from benchmark.limits import limits
from benchmark.model import Model
from benchmark.models import model_named
from benchmark.plan import WARM_UP, WORKERS, Plan
from benchmark.running import Running, Start

PINGS = 30  # a second, each on a connection of its own, as SageMaker asks
UNTIL_ALL_HAVE_PREDICTED = 5.0  # seconds; a worker may load 500 MB at its first request
HOLDS = 0.95  # of what is offered has to be answered in time, or higher rates are not tried
Row = dict[str, Any]


@dataclass
class Results:
    """What was measured: one row for each cell of each round."""

    closed: list[Row] = field(default_factory=list)
    offered: list[Row] = field(default_factory=list)
    memory: list[Row] = field(default_factory=list)
    starts: list[Row] = field(default_factory=list)
    limits: dict[str, dict[str, float]] = field(default_factory=dict)
    skipped: list[Row] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)


class Run:
    """The run of a plan. A server that proves unfit for a model is skipped with it from then on."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.results = Results()
        self.compiled: dict[str, Path] = {}

    def measure(self) -> None:
        """Measure everything, into `results`."""
        models = [model_named(name) for name in self.plan.models]
        self.install()
        for model in models:
            say(f"{model.name}: the model alone")
            self.results.limits[model.name] = limits(model)
            for number in range(1, self.plan.rounds_of(model.name) + 1):
                self.each(self.plan.servers, model, partial(self.closed, number))
        if self.plan.rates:
            self.each(self.plan.servers, models[0], self.offered)
        if self.plan.for_memory():
            model = model_named(self.plan.memory_model)
            for workers in self.plan.worker_counts:
                self.each(self.plan.for_memory(), model, self.memory, workers)

    def install(self) -> None:
        """Make the peers' environments, before anything is measured."""
        for server in self.plan.servers:
            try:
                python = environments.python_of(server)
            except Unfit as unfit:
                self.skip(server, "", unfit)
            else:
                self.results.versions[server.name] = environments.installed_version(server, python)

    def each(
        self, servers: tuple[Server, ...], model: Model, step: Callable[[Start], None], workers: int = WORKERS
    ) -> None:
        """Do *step* with each server that is fit for *model*, in turn."""
        for server in servers:
            if self.is_skipped(server, model):
                continue
            try:
                step(Start(server, model, self.folder_for(server, model), workers))
            except Unfit as unfit:
                self.skip(server, model.name, unfit)

    def folder_for(self, server: Server, model: Model) -> Path:
        """Return the folder that the server is given."""
        if not server.serves(model):
            raise Unfit(f"it serves {server.serves_what}")
        if not server.compiled:
            return model.folder
        if model.name not in self.compiled:
            self.compiled[model.name] = compiled_folder(model)
        return self.compiled[model.name]

    def closed(self, number: int, start: Start) -> None:
        """Measure one server at each concurrency."""
        name, model = start.server.name, start.model.name
        with Running(start) as running:
            self.results.starts.append({"round": number, "server": name, "model": model, "seconds": running.seconds})
            closed_loop.run(running.url, running.request, 32, WARM_UP)
            for concurrency in self.plan.concurrencies_of(model):
                running.check()
                row = {"round": number, "server": name, "model": model, "concurrency": concurrency}
                self.results.closed.append(row | cell(running, concurrency, self.plan.seconds))
                say(f"round {number}  {in_words(self.results.closed[-1])}")

    def offered(self, start: Start) -> None:
        """Offer one server rising rates, until it does not hold one."""
        name, model = start.server.name, start.model.name
        with Running(start) as running:
            closed_loop.run(running.url, running.request, 32, WARM_UP)
            request = running.request.as_http(running.host)
            for rate in self.plan.rates:
                running.check()
                seen = open_loop.offer(("127.0.0.1", running.port), request, rate, self.plan.open_seconds)
                self.results.offered.append({"server": name, "model": model, **asdict(seen)})
                say(f"{model} {name}: {rate}/s offered, {seen.useful:.0f}/s useful, p99 {seen.p99_ms:.1f} ms")
                if seen.useful < HOLDS * rate:
                    break

    def memory(self, start: Start) -> None:
        """Measure the memory of one server, once every worker has surely predicted."""
        with Running(start) as running:
            closed_loop.run(running.url, running.request, 8 * start.workers, UNTIL_ALL_HAVE_PREDICTED)
            running.check()
            megabytes = round(running.pss_bytes() / 1024**2, 1)
            row = {"server": start.server.name, "model": start.model.name, "workers": start.workers}
            self.results.memory.append({**row, "pss_mb": megabytes})
            say(f"{start.model.name} {start.server.name}: {megabytes:.0f} MB with {start.workers} workers")

    def is_skipped(self, server: Server, model: Model) -> bool:
        """Tell whether the server has proved unfit, for this model or altogether."""
        return any(row["server"] == server.name and row["model"] in ("", model.name) for row in self.results.skipped)

    def skip(self, server: Server, model: str, unfit: Unfit) -> None:
        """Leave the server out from now on."""
        self.results.skipped.append({"server": server.name, "model": model, "reason": str(unfit)})
        say(f"{model} {server.name}: skipped: {unfit}")


def cell(running: Running, concurrency: int, seconds: float) -> Row:
    """Return what one server does under one concurrency: rates, times, CPU, and its health route meanwhile."""
    pings: list[open_loop.Offered] = []
    ask = f"GET {running.server.health} HTTP/1.1\r\nHost: {running.host}\r\n\r\n".encode()
    address = ("127.0.0.1", running.port)
    pinging = threading.Thread(target=lambda: pings.append(open_loop.offer(address, ask, PINGS, seconds, fresh=True)))
    before = running.cpu_seconds()
    pinging.start()
    seen = closed_loop.run(running.url, running.request, concurrency, seconds)
    used = running.cpu_seconds() - before
    pinging.join()
    per_request = round(used * 1e6 / seen.requests, 1) if seen.requests else None
    health = {"ping_p99_ms": pings[0].p99_ms, "ping_errors": pings[0].errors}
    return {**asdict(seen), "cpu_us": per_request, **health, "pss_mb": round(running.pss_bytes() / 1024**2, 1)}


def in_words(row: Row) -> str:
    """Return a cell as a line of progress."""
    times = f"p99 {row['p99_ms']:.1f} ms, ping p99 {row['ping_p99_ms']:.1f} ms"
    where = f"{row['model']} {row['server']} at {row['concurrency']}"
    return f"{where}: {row['rate']:.0f}/s, {times}, {row['errors']} errors"
