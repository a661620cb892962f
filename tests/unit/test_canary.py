"""The canary, with real forks: what works in it may be shared, and whatever it does, nothing is left of it."""

import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Never

import pytest

from serving import canary
from serving.canary import ask_in_fork, how_it_ended, prove_fork
from serving.errors import StartError

# Newer Pythons warn of a fork while native threads live. That is the canary's business.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

PATIENCE = 20  # seconds for a canary that is expected to answer
LARGE = 64 * 1024 * 1024
IMPATIENCE = 0.3  # for one that is expected to hang


class Canary:
    """What the canary does, and where it says who it is."""

    def __init__(self, folder: Path, deed: Callable[[], Any]) -> None:
        self.note = folder / "pid"
        self.deed = deed

    def __call__(self) -> None:
        self.note.write_text(str(os.getpid()))
        self.deed()

    @property
    def pid(self) -> int:
        return int(self.note.read_text())

    @property
    def is_gone(self) -> bool:
        """Neither alive nor a zombie."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        return False


def raises(error: BaseException) -> Callable[[], None]:
    def deed() -> Never:
        raise error

    return deed


def test_a_model_that_answers_may_be_shared(tmp_path: Path) -> None:
    predict = Canary(tmp_path, lambda: None)
    proof = prove_fork(predict, PATIENCE)
    assert (proof.shared, proof.reason) == (True, "a forked copy of the model answered its samples")
    assert predict.pid != os.getpid()
    assert predict.is_gone


def test_the_memory_that_a_copy_does_not_share_is_reported(tmp_path: Path) -> None:
    """It is what one more worker costs."""
    model = bytearray(b"\1") * LARGE

    def writes() -> None:
        model[:: mmap.PAGESIZE] = bytes([2]) * len(model[:: mmap.PAGESIZE])

    reading = prove_fork(Canary(tmp_path, lambda: model.count(1)), PATIENCE)
    writing = prove_fork(Canary(tmp_path, writes), PATIENCE)
    assert writing.private - reading.private > 0.9 * LARGE


def test_the_model_runs_in_another_thread_than_it_was_loaded_in_as_in_the_workers(tmp_path: Path) -> None:
    def deed() -> None:
        assert threading.current_thread() is not threading.main_thread()

    assert prove_fork(Canary(tmp_path, deed), PATIENCE).shared


@pytest.mark.parametrize("message", ["The model fails on its own sample.", "ş is missing", "two\nlines"])
def test_a_model_that_is_refused_ends_the_start_with_the_reason(tmp_path: Path, message: str) -> None:
    predict = Canary(tmp_path, raises(StartError(message)))
    with pytest.raises(StartError) as refusal:
        prove_fork(predict, PATIENCE)
    assert str(refusal.value) == message
    assert predict.is_gone


@pytest.mark.parametrize("message", ["x" * 1_000_000, "x" + "ş" * 100_000, "xx" + "😀" * 100_000])
def test_a_reason_longer_than_a_pipe_is_cut_short(tmp_path: Path, message: str) -> None:
    predict = Canary(tmp_path, raises(StartError(message)))
    with pytest.raises(StartError) as refusal:
        prove_fork(predict, PATIENCE)
    assert str(refusal.value)[:500] == message[:500]
    assert predict.is_gone


def test_an_exception_without_a_message_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="RuntimeError"):
        prove_fork(Canary(tmp_path, raises(RuntimeError())), PATIENCE)


def test_a_model_that_exits_ends_the_start_with_the_reason(tmp_path: Path) -> None:
    """A worker would exit too, and gunicorn would replace it again and again."""
    predict = Canary(tmp_path, raises(SystemExit("the licence has expired")))
    with pytest.raises(StartError, match="the licence has expired"):
        prove_fork(predict, PATIENCE)
    assert predict.is_gone


def test_a_message_that_looks_like_success_is_none(tmp_path: Path) -> None:
    with pytest.raises(StartError):
        prove_fork(Canary(tmp_path, raises(StartError("fine"))), PATIENCE)


def test_a_model_that_hangs_may_not_be_shared_and_is_killed_in_time(tmp_path: Path) -> None:
    predict = Canary(tmp_path, lambda: time.sleep(60))
    began = time.monotonic()
    proof = prove_fork(predict, IMPATIENCE)
    assert time.monotonic() - began < PATIENCE
    assert proof.reason == "a forked copy of the model did not answer its samples within 0.3 s"
    assert not proof.shared
    assert predict.is_gone


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_model_that_dies_by_a_signal_may_not_be_shared(tmp_path: Path, number: signal.Signals) -> None:
    predict = Canary(tmp_path, lambda: os.kill(os.getpid(), number) or time.sleep(60))
    proof = prove_fork(predict, PATIENCE)
    assert proof.reason == f"a forked copy of the model died: signal {number.name}"
    assert not proof.shared
    assert predict.is_gone


def test_a_model_that_ends_the_process_may_not_be_shared(tmp_path: Path) -> None:
    predict = Canary(tmp_path, lambda: os._exit(7))
    proof = prove_fork(predict, PATIENCE)
    assert proof.reason == "a forked copy of the model died: exit status 7"
    assert not proof.shared
    assert predict.is_gone


def test_a_grandchild_that_lives_on_keeps_nobody_waiting(tmp_path: Path) -> None:
    def deed() -> None:
        if os.fork() == 0:
            time.sleep(PATIENCE)
            os._exit(0)

    began = time.monotonic()
    assert prove_fork(Canary(tmp_path, deed), PATIENCE).shared
    assert time.monotonic() - began < PATIENCE


def open_files() -> list[str]:
    return sorted(path.name for path in Path("/dev/fd").iterdir())


def test_no_pipe_is_left_open(tmp_path: Path) -> None:
    before = open_files()
    prove_fork(lambda: None, PATIENCE)
    prove_fork(lambda: time.sleep(60), IMPATIENCE)
    assert open_files() == before


def test_the_canary_never_goes_on_as_a_second_server() -> None:
    """Whatever goes wrong in it, what comes after the proof runs in one process only."""
    program = """if True:
        import os, signal, time
        from serving.canary import prove_fork

        def interrupted():
            os.kill(os.getpid(), signal.SIGINT)  # raises KeyboardInterrupt in the canary's main thread
            time.sleep(0.2)

        try:
            prove_fork(interrupted, 20)
        finally:
            os.write(1, b"went on\\n")
    """
    command = [sys.executable, "-c", program]
    environ = {"PYTHONPATH": str(Path(canary.__file__).parent.parent)}
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert ran.stdout == "went on\n"


# -- whatever is asked in a fork


def test_what_is_asked_in_a_fork_is_answered_there() -> None:
    message, wait_status = ask_in_fork(lambda: str(os.getpid()).encode(), PATIENCE)
    assert int(message or b"") != os.getpid()
    assert how_it_ended(wait_status) == "exit status 0"


@pytest.mark.parametrize(
    ("deed", "message", "end"),
    [
        (lambda: os._exit(7), b"", "exit status 7"),
        (lambda: sys.exit(7), b"", "exit status 1"),
        (lambda: time.sleep(60), None, "signal SIGKILL"),
    ],
    ids=["ends the process", "exits", "hangs"],
)
def test_what_has_no_answer_is_told_by_its_end(deed: Callable[[], bytes], message: bytes | None, end: str) -> None:
    said, wait_status = ask_in_fork(deed, IMPATIENCE if message is None else PATIENCE)
    assert (said, how_it_ended(wait_status)) == (message, end)


@pytest.mark.skipif(not canary.OWN_SCORE.exists(), reason="no Linux")
def test_when_memory_runs_out_it_is_the_fork_that_goes() -> None:
    before = canary.OWN_SCORE.read_text()
    message, _ = ask_in_fork(canary.OWN_SCORE.read_bytes, PATIENCE)
    assert message == b"1000\n"
    assert canary.OWN_SCORE.read_text() == before
