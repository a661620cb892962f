"""Many callers at once, bounded in number and time."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import requests

from contract.asking import ask_sample
from contract.samples import Sample
from server import Server

CALLERS = 32
LEAST_CALLERS = 8
QUEUE_SECONDS = 10.0


def callers_for(answer: requests.Response) -> int:
    """Return how many callers to send: fewer to a slow model, whose queue would outlast the check."""
    affordable = QUEUE_SECONDS / max(answer.elapsed.total_seconds(), 0.001)
    return min(CALLERS, max(LEAST_CALLERS, int(affordable)))


@contextmanager
def under_load(server: Server, sample: Sample, callers: int = CALLERS) -> Iterator[list[int]]:
    """Keep *callers* requests in flight as long as the block lasts; give the statuses so far (0: no answer)."""
    statuses: list[int] = []
    over = threading.Event()

    def call() -> None:
        while not over.is_set():
            statuses.append(ask_sample(server, sample).status_code)
            if not statuses[-1]:
                time.sleep(0.05)

    with ThreadPoolExecutor(callers) as pool:
        for _ in range(callers):
            pool.submit(call)
        try:
            yield statuses
        finally:
            over.set()
