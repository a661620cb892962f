"""Peers live in environments of their own, in .cache/benchmark: what one of them needs, the others never see."""

import re
import shutil
import subprocess
import zlib
from pathlib import Path

from benchmark.catalogue import CACHE, PYTHON, ROOT, Server
from benchmark.errors import Unfit, say

LOCK = ROOT / "container" / "requirements.txt"
# What a model was pickled with; everything else the peers may choose for themselves.
OF_THE_MODEL = ("numpy", "pandas", "scikit-learn", "scipy", "joblib", "xgboost-cpu")


def python_of(server: Server, cache: Path = CACHE) -> Path:
    """Return the Python that runs *server*, made if need be; raise `Unfit` where it cannot be had."""
    if server.requirements is None:
        return PYTHON
    folder = cache / "environments" / server.folder
    stamp = folder / f"made-{zlib.crc32(recipe(server.requirements).encode()):08x}"
    if not stamp.exists():
        say(f"- making the environment of {server.name} (minutes, the first time)")
        make(folder, server.requirements)
        stamp.touch()
    return folder / "bin" / "python"


def recipe(requirements: Path) -> str:
    """Return what the environment is made of; the markers of our lock change more often than its versions."""
    return requirements.read_text() + re.sub(r" ;.*", "", constraints())


def make(folder: Path, requirements: Path) -> None:
    """Make the environment anew."""
    shutil.rmtree(folder, ignore_errors=True)
    run([str(PYTHON), "-m", "venv", str(folder)])
    limits = folder / "constraints.txt"
    limits.write_text(constraints())
    options = ["--disable-pip-version-check", "--constraint", str(limits), "--requirement", str(requirements)]
    run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *options])


def run(command: list[str]) -> None:
    """Run a step, or raise `Unfit` with the last line of what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unfit(f"it could not be installed: {last_error(done.stderr or done.stdout)}")


def last_error(output: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith("[notice]")]
    return lines[-1] if lines else "no reason given"


def constraints(lock: Path = LOCK) -> str:
    """Return our versions of the model's libraries."""
    names = "|".join(map(re.escape, OF_THE_MODEL))
    return "".join(f"{pin}\n" for pin in re.findall(rf"^((?:{names})==.*?) *\\?$", lock.read_text(), re.MULTILINE))


def installed_version(server: Server, python: Path) -> str:
    """Return the peer's version as its environment has it."""
    if server.requirements is None:
        return ""
    name = server.requirements.read_text().partition("==")[0]
    program = f"from importlib.metadata import version; print(version({name!r}))"
    done = subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip()
