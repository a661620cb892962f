"""What a user may do, tried by a real process that becomes it; in a Python of its own, for pytest has threads."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.privileges import User
from serving.processes import PROGRAM_DIR
from serving.user_trial import Needs, tried

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

SOMEBODY = 12345  # a user that no machine has
LEAST_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
PROGRAM = """
import json, sys
from pathlib import Path
from serving.privileges import User
from serving.user_trial import Needs, tried

user, needs = json.loads(sys.argv[1])
needs.update({name: [*map(Path, needs[name])] for name in ("trees", "folders")}, run_dir=Path(needs["run_dir"]))
print(json.dumps(tried(User(str(user), user, user), Needs(**needs))))
"""

Try = Callable[..., list[Any] | None]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        path.chmod(0o755)
        (path / "run").mkdir(mode=0o700)
        (path / "model" / "deep").mkdir(parents=True)
        (path / "model" / "deep" / "model.joblib").write_text("a model")
        yield path


@pytest.fixture
def attempt(folder: Path) -> Try:
    """Try as somebody to have *needs*, by a Python that was started with *launcher*; return (reason, level) or None."""

    def attempt(launcher: tuple[str, ...] = (), **needs: Any) -> list[Any] | None:
        default = {"programs": ["/bin/sh"], "trees": [str(folder / "model")], "folders": [str(folder)], "port": 50505}
        words = json.dumps([SOMEBODY, {**default, "run_dir": str(folder / "run"), **needs}])
        command = [*launcher, sys.executable, "-c", PROGRAM, words]
        environ = {"PYTHONPATH": str(PROGRAM_DIR), "PATH": os.environ["PATH"]}
        ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")
        return json.loads(ran.stdout)

    return attempt


def test_who_may_read_everything_can_do_it_and_gets_the_run_folder(attempt: Try, folder: Path) -> None:
    assert attempt() is None
    found = (folder / "run").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, SOMEBODY, 0o770)


def close(path: Path) -> str:
    path.chmod(0)
    return str(path)


OBSTACLES: dict[str, Callable[[Path], str]] = {
    "a file": lambda folder: close(folder / "model" / "deep" / "model.joblib"),
    "a folder": lambda folder: close(folder / "model" / "deep"),
    "the model folder": lambda folder: close(folder / "model"),
}


@pytest.mark.parametrize("close_something", OBSTACLES.values(), ids=OBSTACLES)
def test_what_may_not_be_read_is_named_with_what_to_do(
    attempt: Try, folder: Path, close_something: Callable[[Path], str]
) -> None:
    closed = close_something(folder)
    reason, level = attempt()
    assert level == 30
    assert reason.startswith(f"user 12345 may not use {closed}: let everybody read it (chmod -R a+rX, ")
    assert reason.endswith("or set SERVING_USER=root if the model is to run as root")


@pytest.mark.parametrize("need", ["trees", "folders", "programs", "run_dir"])
def test_what_lies_in_a_folder_that_may_not_be_entered_is_named(attempt: Try, folder: Path, need: str) -> None:
    private = folder / "private"
    (private / "inside").mkdir(parents=True)
    private.chmod(0o700)
    inside = str(private / "inside")
    reason, _ = attempt(**{need: inside if need == "run_dir" else [inside]})
    assert reason.startswith(f"user 12345 may not use {inside}: ")


def test_a_program_that_may_not_be_run_is_named(attempt: Try, folder: Path) -> None:
    program = folder / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o744)
    reason, _ = attempt(programs=[str(program)])
    assert reason.startswith(f"user 12345 may not use {program}: ")


def test_the_run_folder_is_nobody_elses_where_something_is_in_the_way(attempt: Try, folder: Path) -> None:
    close(folder / "model")
    assert attempt() is not None
    assert stat.S_IMODE((folder / "run").stat().st_mode) == 0o700


def test_what_python_does_without_and_what_nobody_can_read_is_in_nobodys_way(attempt: Try, folder: Path) -> None:
    (folder / "model" / "__pycache__").mkdir(mode=0o700)
    (folder / "model" / "to-nowhere").symlink_to(folder / "nowhere")
    (folder / "model" / "to-itself").symlink_to(folder / "model")
    assert attempt(trees=[str(folder / "model"), str(folder / "no-such-model")]) is None


def test_a_port_that_is_roots_alone_is_named(attempt: Try) -> None:
    if not LEAST_PORT.is_file() or int(LEAST_PORT.read_text()) <= 81:
        pytest.skip("here anybody may listen on any port")
    reason, _ = attempt(port=81)
    assert reason == "user 12345 may not listen on port 81: choose one above 1023 (SAGEMAKER_BIND_TO_PORT)"


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv, of util-linux")
@pytest.mark.parametrize("capability", ["setuid", "setgid", "chown", "kill"])
def test_a_root_without_the_capability_stays_root_and_it_is_no_fault(
    attempt: Try, folder: Path, capability: str
) -> None:
    reason, level = attempt(("setpriv", f"--bounding-set=-{capability}"))
    assert level == 20
    assert reason.startswith("this root may not become user 12345, give it files or end its processes: CAP_SETUID, ")
    assert stat.S_IMODE((folder / "run").stat().st_mode) == 0o700


def test_a_trial_that_fails_itself_is_an_obstacle_and_told_in_full(attempt: Try) -> None:
    reason, level = attempt(programs=[None])
    assert level == 30
    assert reason.startswith("what user 12345 may do cannot be found out: Traceback")
    assert "TypeError" in reason


def test_a_user_whom_the_kernel_does_not_know_is_an_obstacle_and_no_crash(folder: Path) -> None:
    """As in a user namespace without that user, where the kernel says EINVAL."""
    user = User("beyond", 1 << 40, 1 << 40)
    obstacle = tried(user, Needs(programs=[], trees=[], folders=[], port=50505, run_dir=folder / "run"))
    assert obstacle is not None
    assert "its user namespace does not have that user" in obstacle.reason
    assert stat.S_IMODE((folder / "run").stat().st_mode) == 0o700
