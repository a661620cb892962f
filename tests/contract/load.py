"""Many callers at once, bounded in number and time."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import requests

from contract.running import post
from contract.samples import Sample
from server import Server

CALLERS = 32


@contextmanager
def under_load(server: Server, sample: Sample, callers: int = CALLERS) -> Iterator[list[int]]:
    """Keep *callers* requests in flight as long as the block lasts; give the statuses so far (0: no answer)."""
    statuses: list[int] = []
    over = threading.Event()

    def call() -> None:
        while not over.is_set():
            try:
                statuses.append(post(server, sample).status_code)
            except requests.RequestException:
                statuses.append(0)
                time.sleep(0.05)

    with ThreadPoolExecutor(callers) as pool:
        for _ in range(callers):
            pool.submit(call)
        try:
            yield statuses
        finally:
            over.set()
