"""
Send a million damaged requests through a running server, nginx included, and account for every one.

Bodies are valid ones of every media type with bits flipped, parts cut out, doubled and mixed; the headers Content-Type,
Accept and Content-Encoding are damaged as well. Every request must be answered, none with a 500, no worker may die, and
the workers' memory must not go on growing. What breaks a promise is saved; the exit status is then 1. Progress is on
standard error, the summary on standard output.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fuzz.account import Account
from fuzz.campaign import FINDINGS
from fuzz.sender import END, Broken, send
from fuzz.watch import pss_megabytes, workers_of
from server import MODELS, HostServer

QUIET = {"SAGEMAKER_CONTAINER_LOG_LEVEL": "30"}  # a million access lines are 300 MB
WARM = 0.05  # of the requests, before the memory is first looked at
MOST_SAVED = 20
PULSE = 5.0  # seconds
SILENCE = 600.0  # seconds without a report from any sender, which tells of every thousandth answer

Tell = Callable[[str], None]


def main() -> int:
    """Do what the command line asks for."""
    arguments = parser().parse_args()
    if arguments.url:
        account = fuzz(address_of(arguments.url), arguments.pid, arguments, tell)
    else:
        with closing(HostServer(arguments.model, QUIET)) as server:
            server.wait_until_ready()
            account = fuzz(("127.0.0.1", server.port), server.root_pid, arguments, tell)
            if account.complaints:
                tell_of_errors(server)
    for path in save(account.broken, arguments.findings):
        print(f"saved {path}", file=sys.stderr)
    print(json.dumps(account.as_json(), indent=2) if arguments.json else account.in_words())
    return 1 if account.complaints else 0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    found = argparse.ArgumentParser(
        prog="python -m fuzz.http", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--requests", type=int, default=1_000_000)
    found.add_argument("--connections", type=int, default=64)
    found.add_argument("--senders", type=int, default=2, help="processes that send (default: 2)")
    found.add_argument("--seed", type=int, default=1, help="the same seed sends the same requests (default: 1)")
    found.add_argument(
        "--model", type=Path, default=MODELS / "abalone", help="whose server is started (default: abalone)"
    )
    found.add_argument("--url", help="ask this server in place of one that is started here")
    found.add_argument("--pid", type=int, help="the first process of the server at --url, to look at its workers")
    found.add_argument("--findings", type=Path, default=FINDINGS, help=f"where to save requests (default: {FINDINGS})")
    found.add_argument("--json", action="store_true", help="print the summary as JSON")
    return found


def tell_of_errors(server: HostServer) -> None:
    """Show the beginning of what the server's log has to say."""
    lines = [line for line in server.log_lines() if line.get("level") in ("ERROR", "CRITICAL")]
    for line in lines[:MOST_SAVED]:
        tell(f"log: {json.dumps(line)[:600]}")


def tell(line: str) -> None:
    """Show progress."""
    print(line, file=sys.stderr, flush=True)


def address_of(url: str) -> tuple[str, int]:
    """Return the host and the port of a URL."""
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80


def fuzz(address: tuple[str, int], pid: int | None, asked: argparse.Namespace, tell: Tell) -> Account:
    """Send the requests from several processes; return what came of them."""
    account = Account(asked.requests, asked.connections, asked.seed)
    look = partial(workers_of, pid) if pid else None
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    share = [
        asked.requests // asked.senders + (place < asked.requests % asked.senders) for place in range(asked.senders)
    ]
    senders = [
        context.Process(
            target=send,
            args=(address, max(1, asked.connections // asked.senders), number, f"{asked.seed} {place}", reports),
        )
        for place, number in enumerate(share)
    ]
    for sender in senders:
        sender.start()
    collect(account, reports, len(senders), look, tell)
    for sender in senders:
        sender.join()
    return account


def collect(account: Account, reports: Any, senders: int, workers: Callable[[], set[int]] | None, tell: Tell) -> None:
    """Add up what the senders report, until the last one has ended; look at the workers on the way."""
    began, told, seen = None, 0.0, workers() if workers else set()
    looks = [account.requests * WARM, account.requests / 2, account.requests] if workers else []
    while senders:
        report = reports.get(timeout=SILENCE)
        began = began or time.monotonic()
        if report is END:
            senders -= 1
            continue
        account.statuses += report.statuses
        account.broken += report.broken
        account.seconds = time.monotonic() - began
        if looks and account.statuses.total() >= looks[0]:
            looks.pop(0)
            seen |= workers()
            account.megabytes.append(pss_megabytes(workers()))
        if time.monotonic() - told > PULSE:
            told = time.monotonic()
            tell(f"{account.statuses.total()} of {account.requests}: {dict(sorted(account.statuses.items()))}")
    if workers:
        account.deaths = len(seen - workers())


def save(broken: list[Broken], folder: Path) -> list[Path]:
    """Save the requests that broke a promise, as they were sent; not more than a few of them."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for found in broken[:MOST_SAVED]:
        path = folder / f"http-{found.status}-{sha1(found.request).hexdigest()[:12]}"
        path.write_bytes(found.request)
        paths.append(path)
    return paths


if __name__ == "__main__":
    sys.exit(main())
