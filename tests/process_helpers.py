"""Small helpers for tests that talk to a server which may not be there yet, or no longer."""

import concurrent.futures
from collections.abc import Callable
from typing import Any

import requests


def answered(call: Callable[[], requests.Response]) -> requests.Response | None:
    """Return the answer, None when there is nobody to answer."""
    try:
        return call()
    except requests.ConnectionError:
        return None


def in_background(call: Callable[..., Any], *many: Any) -> list["concurrent.futures.Future[Any]"]:
    """Start one call for each of *many*, all at once."""
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(many)))
    futures = [pool.submit(call, item) for item in many]
    pool.shutdown(wait=False)
    return futures
