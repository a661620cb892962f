"""Small helpers for tests that talk to a server which may not be there yet, or no longer."""

import concurrent.futures
from collections.abc import Callable
from typing import Any

import requests


def answers(call: Callable[[], requests.Response]) -> list[requests.Response]:
    """Return the answer, or none when there is nobody to answer. (A response of 4xx or 5xx is false by itself.)"""
    try:
        return [call()]
    except requests.ConnectionError:
        return []


def in_background(call: Callable[..., Any], *many: Any) -> list["concurrent.futures.Future[Any]"]:
    """Start one call for each of *many*, all at once."""
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(many)))
    futures = [pool.submit(call, item) for item in many]
    pool.shutdown(wait=False)
    return futures
