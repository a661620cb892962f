"""What a run measures, in which order, and how long that takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmark.catalogue import CATALOGUE, COMPILED, OURS, PATTERN, Server
from benchmark.errors import Refused

CONCURRENCIES = (1, 8, 32, 128, 512)
FEW_CONCURRENCIES = (1, 32, 128)
RATES = (100, 200, 400, 800, 1600, 3200, 6400)  # per second
WORKER_COUNTS = (1, 2, 4)
WORKERS = 2
WARM_UP = 1.0  # seconds; BentoML refreshes its batching every 5, so it still learns during the first cells
STARTS = 6.0  # seconds, roughly, to start and end a server
SETTLES = 0.5  # seconds, roughly, between two measurements


@dataclass(frozen=True)
class Plan:
    """One run. The first model is measured in all rounds and at every concurrency, the others more briefly."""

    servers: tuple[Server, ...]
    models: tuple[str, ...] = ("abalone", "abalone_featurizer", "abalone_predictor", "forest", "linear")
    concurrencies: tuple[int, ...] = CONCURRENCIES
    few_concurrencies: tuple[int, ...] = FEW_CONCURRENCIES
    rounds: int = 3
    few_rounds: int = 1
    seconds: float = 2.0
    rates: tuple[int, ...] = RATES
    open_seconds: float = 3.0
    memory_model: str = "large"
    memory_servers: tuple[str, ...] = (OURS, PATTERN, "mlflow", "bentoml", "litserve", "mlserver", "fastapi")
    worker_counts: tuple[int, ...] = WORKER_COUNTS

    def rounds_of(self, model: str) -> int:
        """Return how often the servers take turns with *model*."""
        return self.rounds if model == self.models[0] else self.few_rounds

    def concurrencies_of(self, model: str) -> tuple[int, ...]:
        """Return the numbers of connections that *model* is measured with."""
        return self.concurrencies if model == self.models[0] else self.few_concurrencies

    def for_memory(self) -> tuple[Server, ...]:
        """Return the servers whose memory is measured with each number of workers."""
        return tuple(server for server in self.servers if server.name in self.memory_servers)

    def minutes(self) -> float:
        """Return about how long it takes at the most."""
        turns = 0.0
        for model in self.models:
            cells = len(self.concurrencies_of(model)) * (self.seconds + SETTLES)
            turns += self.rounds_of(model) * (STARTS + WARM_UP + cells)
        rates = STARTS + WARM_UP + len(self.rates) * (self.open_seconds + SETTLES) if self.rates else 0
        memory = len(self.for_memory()) * len(self.worker_counts) * STARTS * 2
        return (len(self.servers) * (turns + rates) + memory) / 60


def full() -> Plan:
    """Return what `make bench` measures."""
    return Plan(CATALOGUE)


def quick() -> Plan:
    """Return a run of a few minutes: ours, the pattern, and the limit of the stack."""
    names = (OURS, COMPILED, PATTERN, "flask-empty")
    servers = tuple(server for server in CATALOGUE if server.name in names)
    few = {"models": ("abalone", "linear"), "rounds": 1, "seconds": 2.0, "open_seconds": 2.0}
    return replace(Plan(servers), **few, rates=(100, 400, 1600), memory_model="forest")  # type: ignore[arg-type]


def chosen(names: Sequence[str]) -> tuple[Server, ...]:
    """Return the servers of these names, in the catalogue's order; raise `Refused` for one that is unknown."""
    known = {server.name: server for server in CATALOGUE}
    if unknown := [name for name in names if name not in known]:
        raise Refused(f"no server {', '.join(unknown)}: there are {', '.join(known)}.")
    return tuple(server for server in CATALOGUE if server.name in names)
