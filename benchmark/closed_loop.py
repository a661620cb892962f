"""Closed loop: so many connections, each of which sends its next request when the last was answered. wrk does it."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import Refused
from benchmark.wire import Request

SCRIPT = Path(__file__).with_name("report.lua")
TIMEOUT = 20  # seconds, after which wrk counts a request as timed out


@dataclass(frozen=True)
class Closed:
    """What wrk saw; times in milliseconds."""

    rate: float  # right answers per second
    requests: int
    errors: int  # refused, timed out, or broken connections
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


def command(url: str, request: Request, body: Path, connections: int, seconds: float) -> list[str]:
    """Return wrk's command line; one thread of it is enough for 512 connections."""
    load = ["--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"]
    script = ["--timeout", f"{TIMEOUT}s", "--script", str(SCRIPT), f"{url}{request.path}"]
    return ["wrk", *load, *script, "--", str(body), request.content_type, request.accept]


def run(url: str, request: Request, connections: int, seconds: float) -> Closed:
    """Load the server at *url* for so many whole seconds."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(request.body)
        body.flush()
        done = subprocess.run(
            command(url, request, Path(body.name), connections, seconds), capture_output=True, text=True, check=False
        )
    return read_report(done.stdout, done.stderr)


def read_report(stdout: str, stderr: str = "") -> Closed:
    """Read the line that report.lua has printed."""
    line = next((line for line in stdout.splitlines() if line.startswith("JSON ")), None)
    if line is None:
        raise Refused("wrk did not report what it saw.", *(stderr or stdout).strip().splitlines()[-3:])
    return summary(json.loads(line.removeprefix("JSON ")))


def summary(seen: Mapping[str, float]) -> Closed:
    """Return what was seen; wrk counts refused requests among the answered ones."""
    errors = int(seen["refused"] + seen["timeouts"] + seen["socket_errors"])
    right = max(0.0, seen["requests"] - seen["refused"])
    times = {name: round(seen[name], 3) for name in ("p50_ms", "p99_ms", "p999_ms", "max_ms")}
    return Closed(round(right / seen["seconds"], 1), int(seen["requests"]), errors, **times)
