"""Where and with what it was measured."""

import os
import platform
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PACKAGES = ("gunicorn", "flask", "gevent", "numpy", "pandas", "scikit-learn", "xgboost-cpu")


def first_match(path: str, key: str) -> str:
    """Return the value of the first `key: value` in a file of /proc."""
    lines = Path(path).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "unknown")


def output(*command: str) -> str:
    """Return what a command says, in one line; nothing where there is no such command."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def describe(root: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> dict[str, object]:
    """Return the machine, the versions, and the commit."""
    changed = bool(output("git", "-C", str(root), "status", "--porcelain"))
    return {
        "when": now().isoformat(timespec="seconds"),
        "cpu": first_match("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(first_match("/proc/meminfo", "MemTotal").split()[0]) / 1024**2, 1),
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "python": platform.python_version(),
        "nginx": output("nginx", "-v").removeprefix("nginx version: "),
        "wrk": output("wrk", "-v"),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "commit": output("git", "-C", str(root), "rev-parse", "HEAD") + (" with changes" if changed else ""),
    }
