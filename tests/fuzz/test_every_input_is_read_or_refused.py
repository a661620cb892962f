"""The codecs under the fuzzer: a short run for each target, the same one every time. `python -m fuzz` goes on."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from fuzz.campaign import Result, corpus_of, fuzz, is_available, python_path
from fuzz.promises import MEGABYTES, BrokenPromise, bounded, value_or_refusal
from fuzz.seeds import seeds_of
from fuzz.targets import TARGETS
from serving.errors import BadRequest, ModelFailed

RUNS = {"csv": 400, "npy": 2000, "accept": 1500, "arrays": 1000}  # less than a second for each
OF_OTHERS = 4000
SEED = 1
FUZZED = [target for target in TARGETS if target != "long"]  # a megabyte for each input is too much here
every_target = pytest.mark.parametrize("target", TARGETS)


@pytest.fixture(scope="module")
def _atheris() -> None:
    if not is_available():
        assert os.environ.get("REQUIRE_ALL") != "1", "REQUIRE_ALL=1, but Atheris is not installed"
        pytest.skip("Atheris is not installed; it is made for Linux on x86-64")


@pytest.fixture(scope="module")
def runs(_atheris: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "Future[Result]"]]:
    """The runs of all targets, two at a time: most of a short run is its start."""
    findings = tmp_path_factory.mktemp("findings")
    with ThreadPoolExecutor(2) as pool:
        yield {
            target: pool.submit(fuzz, target, f"-runs={RUNS.get(target, OF_OTHERS)}", SEED, findings)
            for target in FUZZED
        }


@every_target
@pytest.mark.filterwarnings("ignore")  # NumPy has opinions on some headers, Python on some escapes
def test_what_was_found_before_holds(target: str) -> None:
    for data in [*seeds_of(target), *(corpus_of(target) if target in FUZZED else ())]:
        bounded(TARGETS[target], data)


@pytest.mark.parametrize("target", FUZZED)
def test_no_input_breaks_a_promise(target: str, runs: dict[str, "Future[Result]"]) -> None:
    result = runs[target].result()
    assert result.broken == ""
    assert result.runs >= RUNS.get(target, OF_OTHERS)


@pytest.mark.usefixtures("_atheris")
def test_the_fuzzer_finds_what_is_broken_makes_it_small_and_saves_it(tmp_path: Path) -> None:
    result = fuzz("planted", "-runs=200000", SEED, tmp_path)
    first, literal, last = result.broken.splitlines()
    data = ast.literal_eval(literal.strip())
    assert first == f"planted: BROKEN by {len(data)} bytes: RuntimeError: found"
    assert data == b"\xff!"
    path = Path(last.rpartition(" ")[2])
    assert last == f"  saved; again: python -m fuzz planted --input {path}"
    assert path.parent == tmp_path
    assert path.read_bytes() == data


# -- what counts as broken


def raising(error: Exception) -> Callable[[], None]:
    def read() -> None:
        raise error

    return read


def test_a_refusal_is_kept_apart_from_a_fault() -> None:
    assert value_or_refusal(lambda: 1) == 1
    assert value_or_refusal(raising(BadRequest("no"))) is None
    with pytest.raises(BrokenPromise, match="500 model_failed: no"):
        value_or_refusal(raising(ModelFailed("no")))
    with pytest.raises(KeyError):
        value_or_refusal(raising(KeyError("no")))


def test_an_input_that_takes_much_memory_breaks_a_promise() -> None:
    # In a process of its own, for the most that this one ever held may be more; and in a child's child, for the kernel
    # hands that number on to what takes the child's place.
    much = f"bounded(lambda data: bytearray(b'x') * ({2 * MEGABYTES} << 20), b'ab')"
    program = ["sh", "-c", '"$@"; exit', "sh", sys.executable, "-c", f"from fuzz.promises import bounded; {much}"]
    ended = subprocess.run(
        program, env={**os.environ, "PYTHONPATH": python_path()}, capture_output=True, text=True, check=False
    )
    assert re.search(r"BrokenPromise: 2 bytes took \d+ MB of memory", ended.stderr)


def test_an_input_that_takes_long_breaks_a_promise() -> None:
    with pytest.raises(BrokenPromise, match=r"2 bytes took \d+\.\d s of CPU"):
        bounded(lambda data: None, b"ab", seconds_allowed=-1.0)


# -- the command


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": python_path()}
    return subprocess.run(
        [sys.executable, "-m", "fuzz", *arguments], env=environ, capture_output=True, text=True, check=False
    )


def test_the_command_explains_itself() -> None:
    told = command("--help").stdout
    assert all(f"  {target} " in told for target in TARGETS)
    assert "python -m fuzz csv json --minutes 10" in told


def test_a_target_that_does_not_exist_is_named_with_those_that_do() -> None:
    done = command("xml")
    assert (done.returncode, done.stderr) == (2, f"There is no target xml; there are {', '.join(TARGETS)}.\n")


def test_one_input_can_be_checked_alone(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"\0\0\0M,1\n")
    done = command("csv", "--input", str(tmp_path / "input"))
    assert (done.returncode, done.stdout) == (0, f"csv: holds for {tmp_path / 'input'}\n")
    done = command("--input", str(tmp_path / "input"))
    assert (done.returncode, done.stderr) == (2, "Name the one target that the input is for.\n")
