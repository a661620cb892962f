"""One run of the fuzzer for one target: what it begins with, the process, and what came of it."""

import ast
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from fuzz.seeds import tokens_of, write_seeds
from server import ROOT

HERE = Path(__file__).parent
FINDINGS = HERE / "findings"
LONGEST = 4096  # bytes of an input
HANGS = 120  # seconds after which libFuzzer ends an input that has not come back
PULSE = 5.0  # seconds between two lines of progress
RUNS = re.compile(r"^#(\d+)\s")


class Result(NamedTuple):
    """What came of a run: how many inputs, in how many seconds; what was told of a broken promise, or nothing."""

    runs: int
    seconds: float
    broken: str
    found: list[bytes]  # inputs that reached something new


def corpus_of(target: str) -> list[bytes]:
    """Return the inputs that are kept: one a line, as Python writes bytes."""
    path = corpus_path(target)
    return [ast.literal_eval(line) for line in path.read_text().splitlines()] if path.exists() else []


def corpus_path(target: str) -> Path:
    """Return where the inputs of a target are kept."""
    return HERE / "corpus" / f"{target}.txt"


def is_available() -> bool:
    """Tell whether Atheris is installed; it is made for Linux on x86-64 and for macOS on ARM."""
    return find_spec("atheris") is not None


def fuzz(
    target: str, limit: str, seed: int, findings: Path = FINDINGS, tell: Callable[[str], None] = lambda line: None
) -> Result:
    """Fuzz *target* until *limit*, libFuzzer's `-runs=N`, the same for the same seed, or `-max_total_time=SECONDS`."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        new, dictionary, listed = folder / "new", folder / "words", folder / "listed"
        for made in (new, folder / "seeds"):
            made.mkdir()
        dictionary.write_text(tokens_of(target))
        listed.write_text(write_seeds(target, folder / "seeds", corpus_of(target)))
        options = (limit, f"-seed={seed}", f"-dict={dictionary}", f"-seed_inputs=@{listed}", str(new))
        began = time.monotonic()
        status, runs, output = run(target, options, findings, tell)
        seconds = time.monotonic() - began
        return Result(runs, seconds, output if status else "", [path.read_bytes() for path in sorted(new.iterdir())])


def smallest_cover(target: str, inputs: list[bytes]) -> list[bytes]:
    """Return the few of *inputs* that reach all that the seeds and they reach."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        cover, everything = Path(name, "cover"), Path(name, "everything")
        cover.mkdir()
        everything.mkdir()
        write_seeds(target, everything, inputs)
        status, _, output = run(
            target, ("-set_cover_merge=1", str(cover), str(everything)), FINDINGS, lambda line: None
        )
        assert status == 0, output
        return sorted((path.read_bytes() for path in cover.iterdir()), key=lambda data: (len(data), data))


def run(target: str, options: tuple[str, ...], findings: Path, tell: Callable[[str], None]) -> tuple[int, int, str]:
    """Run the engine; return its status, the number of inputs, and what it says when a promise is broken."""
    findings.mkdir(parents=True, exist_ok=True)
    always = (
        f"-max_len={LONGEST}",
        f"-timeout={HANGS}",
        "-rss_limit_mb=4096",
        f"-artifact_prefix={findings}/{target}-",
    )
    command = [sys.executable, "-m", "fuzz.engine", target, *always, *options]
    own = {"PYTHONPATH": python_path(), "PYTHONHASHSEED": "0", "FUZZ_FINDINGS": str(findings)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace"}
    with subprocess.Popen(command, env={**os.environ, **own}, **pipes) as engine:
        runs, heard = followed(engine.stderr, lambda line: tell(f"{target} {line}"))
        output = engine.stdout.read()
    return engine.returncode, runs, output or "".join(heard)


def followed(lines: Iterable[str], tell: Callable[[str], None]) -> tuple[int, deque[str]]:
    """Tell of libFuzzer's progress now and then; return how many inputs there were, and the last lines."""
    runs, told, heard = 0, time.monotonic(), deque[str](maxlen=40)
    for line in lines:
        heard.append(line)
        if count := RUNS.match(line):
            runs = int(count[1])
            if time.monotonic() - told > PULSE:
                told = time.monotonic()
                tell(line.rstrip())
    return runs, heard


def python_path() -> str:
    """Return where the engine finds the server's modules, the tests' and whatever this process has beside them."""
    own = [str(ROOT / "container" / "code"), str(ROOT / "tests")]
    return os.pathsep.join([*own, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
