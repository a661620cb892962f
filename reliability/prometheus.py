"""Debian's Prometheus, scraping our server every second, and its own query API."""

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmark.errors import Refused, say
from benchmark.running import free_port

PATIENCE = 30.0  # seconds for its start, and for a scrape
COUNTED = 0.1  # seconds after an answer, within which it is surely counted
OF_OURS = "serving_ready"  # a metric without labels
GRACE = 10.0  # seconds for its end
CONFIGURATION = """\
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: server
    static_configs:
      - targets: ["{target}"]
"""

STARTING = 503  # in plain text, until it has read its data

Values = dict[str, float]  # by the one label that a query leaves, "" if it leaves none


class Prometheus:
    """A running one, at *port* of this machine."""

    def __init__(self, port: int, patience: float = PATIENCE):
        self.port, self.patience = port, patience

    def result(self, query: str) -> list[dict[str, Any]]:
        """Return what it answers a query about this moment; nothing while it does not answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=self.patience)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", f"/api/v1/query?query={quote(query)}")
            answer = connection.getresponse()
            if answer.status != STARTING:
                return result_of(query, answer.read())
        return []

    def values(self, query: str) -> Values:
        """Return the values of a query that leaves at most one label."""
        return {"".join(found["metric"].values()): float(found["value"][1]) for found in self.result(query)}

    def wait_for_scrape(self) -> None:
        """Wait until it has scraped the server once more, from now on."""
        asked, deadline = time.time() + COUNTED, time.monotonic() + self.patience
        while True:
            scraped = self.values(f"timestamp({OF_OURS})")
            if any(moment > asked for moment in scraped.values()):
                return
            if time.monotonic() > deadline:
                raise Refused(f"Prometheus has not scraped {OF_OURS} within {self.patience:g} s: is there a /metrics?")
            time.sleep(0.1)


def result_of(query: str, body: bytes) -> list[dict[str, Any]]:
    """Return what the body of an answer holds; raise `Refused` where it is a complaint."""
    answer = json.loads(body)
    if answer["status"] != "success":
        raise Refused(f"Prometheus does not answer {query}: {answer.get('error')}")
    return list(answer["data"]["result"])


@contextlib.contextmanager
def scraping(target: str) -> Iterator[Prometheus]:
    """Start one that scrapes *target*, HOST:PORT, and end it afterwards."""
    program = shutil.which("prometheus")
    if program is None:
        raise Refused("looked for prometheus on PATH.", "Debian, Ubuntu: sudo apt-get install prometheus")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="reliability-") as scratch:
        folder = Path(scratch)
        (folder / "prometheus.yml").write_text(CONFIGURATION.format(target=target))
        options = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"]
        say("- starting prometheus")
        with (folder / "log").open("wb") as log:
            command = [program, *options, f"--web.listen-address=127.0.0.1:{port}"]
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            prometheus = Prometheus(port)
            prometheus.wait_for_scrape()
            yield prometheus
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End it, the hard way if need be."""
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
