"""The children of `serve`: their command lines and environment, how they end, and what is left of them."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server import until
from serving.errors import StartError
from serving.launch import parse, require_free_port
from serving.processes import (
    ONE_THREAD,
    PROGRAM_DIR,
    Child,
    child_environment,
    exit_status,
    gunicorn_command,
    load_per_worker,
    nginx_command,
    reap,
    start,
)
from serving.settings import MEGABYTE, Settings

SETTINGS = Settings.from_environment({"SM_MODEL_DIR": "/models/mine"})
Pipe = dict[str, int]  # its ends, `reader` and `writer`

RUN_DIR = Path("/tmp/run")


# -- commands and environment


def test_commands_are_plain_lists_of_words() -> None:
    command = ["nginx", "-e", "stderr", "-c", "/tmp/run/nginx.conf"]
    assert nginx_command(RUN_DIR / "nginx.conf", as_root=False) == command
    configuration = str(PROGRAM_DIR / "gunicorn.conf.py")
    assert gunicorn_command() == [sys.executable, "-m", "serving.arbiter", "--config", configuration, "wsgi:app"]


def test_nginx_as_root_keeps_its_workers_root_for_they_enter_our_run_folder() -> None:
    command = nginx_command(RUN_DIR / "nginx.conf", as_root=True)
    assert command[-2:] == ["-g", "user root;"]


def test_gunicorns_command_names_files_that_exist() -> None:
    assert (PROGRAM_DIR / "gunicorn.conf.py").is_file()
    assert (PROGRAM_DIR / "wsgi.py").is_file()


def test_children_know_the_model_the_run_folder_and_the_status_pipe() -> None:
    children = child_environment({}, SETTINGS, RUN_DIR, 7)
    assert Settings.from_environment(children) == Settings.from_environment(
        {"SM_MODEL_DIR": "/models/mine", "SERVING_RUN_DIR": "/tmp/run", "SERVING_STATUS_FD": "7"}
    )


def test_children_find_the_hooks_although_they_work_in_another_folder(tmp_path: Path) -> None:
    relative = {"SAGEMAKER_SUBMIT_DIRECTORY": os.path.relpath(tmp_path)}
    children = child_environment(relative, Settings.from_environment(relative), RUN_DIR, 7)
    assert Path(children["SAGEMAKER_SUBMIT_DIRECTORY"]).is_absolute()
    assert Settings.from_environment(children).code_dir.samefile(tmp_path)


def test_children_inherit_everything_else() -> None:
    children = child_environment({"AWS_REGION": "eu-west-1", "MINE": "1"}, SETTINGS, RUN_DIR, 7)
    assert (children["AWS_REGION"], children["MINE"]) == ("eu-west-1", "1")


def test_the_environment_that_was_passed_in_is_left_alone() -> None:
    environ = {"HOME": "/nowhere"}
    child_environment(environ, SETTINGS, RUN_DIR, 7)
    assert environ == {"HOME": "/nowhere"}


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"])
def test_no_native_pool_starts_before_the_fork_whatever_the_operator_says(name: str) -> None:
    assert name in ONE_THREAD
    assert child_environment({name: "8"}, SETTINGS, RUN_DIR, 7)[name] == "1"


@pytest.mark.parametrize(
    "environ", [{}, {"HOME": ""}, {"HOME": "/no/such/folder"}], ids=["missing", "empty", "nowhere"]
)
def test_a_home_that_cannot_be_written_is_replaced_by_the_run_folder(environ: dict[str, str]) -> None:
    assert child_environment(environ, SETTINGS, RUN_DIR, 7)["HOME"] == "/tmp/run"


def test_a_home_that_can_be_written_stays(tmp_path: Path) -> None:
    assert child_environment({"HOME": str(tmp_path)}, SETTINGS, RUN_DIR, 7)["HOME"] == str(tmp_path)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [(None, None), (300, 1), (512 * MEGABYTE, 512)],
    ids=["by nobody", "next to nothing", "512 MB"],
)
def test_when_each_worker_loads_the_model_its_measured_size_is_passed_on(
    measured: int | None, expected: int | None
) -> None:
    variables = load_per_worker(measured)
    settings = Settings.from_environment({"SM_MODEL_DIR": "/models/mine", **variables})
    assert settings.load_per == "worker"
    assert settings.model_bytes == (None if expected is None else expected * MEGABYTE)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({}, [PROGRAM_DIR]), ({"PYTHONPATH": ""}, [PROGRAM_DIR]), ({"PYTHONPATH": "/a:/b"}, [PROGRAM_DIR, "/a", "/b"])],
    ids=["missing", "empty", "the operator's"],
)
def test_the_server_comes_first_on_pythons_path_and_nothing_is_empty(environ: dict[str, str], expected: Any) -> None:
    path = child_environment(environ, SETTINGS, RUN_DIR, 7)["PYTHONPATH"]
    assert path.split(os.pathsep) == [str(folder) for folder in expected]


@pytest.mark.parametrize(
    ("wait_status", "expected"),
    [
        (0, 0),
        (1 << 8, 1),
        (255 << 8, 255),
        (signal.SIGTERM, 143),
        (signal.SIGKILL, 137),
        (signal.SIGSEGV | 0x80, 139),  # with a core dump
    ],
)
def test_an_exit_status_is_what_a_shell_reports(wait_status: int, expected: Any) -> None:
    assert exit_status(wait_status) == expected


# -- real children


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe that children keep: it ends when the last of them has."""
    reader, writer = os.pipe()
    ends = {"reader": reader, "writer": writer}
    yield ends
    for fd in ends.values():
        os.close(fd)


def start_python(program: str, pipe: Pipe, **environ: str) -> Child:
    """Start a child that runs *program*, in which `tell(text)` writes to the pipe."""
    begin = f"import os, signal, sys, time\ntell = lambda text: os.write({pipe['writer']}, str(text).encode())\n"
    command = [sys.executable, "-c", begin + textwrap.dedent(program)]
    return start("a child", command, {"PATH": os.environ["PATH"], **environ}, pipe["writer"])


def reaped(*children: Child) -> list[int]:
    """Return the exit statuses of the children, once they all have ended."""
    ended = {}

    def all_ended() -> bool:
        ended.update(reap())
        return all(child.pid in ended for child in children)

    until(all_ended, "the end of the children", 20)
    return [ended[child.pid] for child in children]


def hear(pipe: Pipe) -> str:
    return os.read(pipe["reader"], 1000).decode()


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("sys.excepthook = lambda *error: None\nraise RuntimeError", 1),
    ],
    ids=["success", "a status", "a signal", "an exception"],
)
def test_a_child_is_reaped_with_its_status(program: str, expected: Any, pipe: Pipe) -> None:
    child = start_python(program, pipe)
    assert reaped(child) == [expected]


def test_many_children_that_end_at_once_are_all_reaped(pipe: Pipe) -> None:
    children = [start_python(f"sys.exit({status})", pipe) for status in range(8)]
    assert reaped(*children) == list(range(8))


def test_there_is_nothing_to_reap_while_a_child_lives(pipe: Pipe) -> None:
    child = start_python("tell('up')\ntime.sleep(60)", pipe)
    assert hear(pipe) == "up"
    assert child.pid not in dict(reap())
    child.send(signal.SIGKILL)
    assert reaped(child) == [137]


def test_reaping_without_children_yields_nothing() -> None:
    program = "from serving.processes import reap; print(list(reap()))"
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, env={"PYTHONPATH": str(PROGRAM_DIR)}, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_child_leads_a_session_of_its_own_so_that_ctrl_c_reaches_serve_alone(pipe: Pipe) -> None:
    child = start_python("tell(os.getsid(0) == os.getpid() == os.getpgid(0))", pipe)
    assert hear(pipe) == "True"
    assert reaped(child) == [0]


def test_a_child_has_the_environment_it_was_given_and_works_in_the_program_folder(pipe: Pipe) -> None:
    child = start_python("tell([os.environ.get('MINE'), os.environ.get('HOME'), os.getcwd()])", pipe, MINE="1")
    assert hear(pipe) == str(["1", None, str(PROGRAM_DIR)])
    assert reaped(child) == [0]


def test_a_signal_reaches_the_child(pipe: Pipe) -> None:
    child = start_python(
        """
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))
        tell('ready')
        time.sleep(60)
        """,
        pipe,
    )
    assert hear(pipe) == "ready"
    child.send(signal.SIGTERM)
    assert reaped(child) == [7]


def test_signalling_a_child_that_has_ended_does_no_harm(pipe: Pipe) -> None:
    child = start_python("", pipe)
    reaped(child)
    child.send(signal.SIGTERM)
    child.kill_group()


def test_killing_the_group_kills_grandchildren_too(pipe: Pipe) -> None:
    child = start_python(
        """
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            tell('up')
            time.sleep(60)
        time.sleep(60)
        """,
        pipe,
    )
    assert hear(pipe) == "up"
    child.kill_group()
    assert reaped(child) == [137]
    os.close(pipe.pop("writer"))
    assert hear(pipe) == ""  # the pipe has ended: nobody holds it any more


def test_killing_the_group_of_a_dead_child_kills_what_it_left_behind(pipe: Pipe) -> None:
    child = start_python(
        """
        if os.fork() == 0:
            tell('up')
            time.sleep(60)
        time.sleep(60)
        """,
        pipe,
    )
    assert hear(pipe) == "up"
    child.send(signal.SIGKILL)
    assert reaped(child) == [137]
    child.kill_group()
    os.close(pipe.pop("writer"))
    assert hear(pipe) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process that is not PID 1 inherit orphans")
def test_orphans_are_reaped() -> None:
    """What PID 1 inherits is reaped, or the container fills with zombies."""
    program = """
        import ctypes, os, time
        from serving.processes import reap

        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: be to our descendants what PID 1 is
        reader, writer = os.pipe()
        if os.fork() == 0:
            if os.fork() == 0:
                os.write(writer, str(os.getpid()).encode())
                os._exit(5)
            os._exit(0)
        orphan, ended, deadline = int(os.read(reader, 100)), {}, time.monotonic() + 20
        while orphan not in ended and time.monotonic() < deadline:
            ended.update(reap())
        print(ended[orphan])
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    ran = subprocess.run(command, env={"PYTHONPATH": str(PROGRAM_DIR)}, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("5\n", "")


# -- before anything is started


def test_a_port_that_is_taken_is_refused_before_the_model_is_loaded() -> None:
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartError, match=rf"Cannot listen on port {port}: Address already in use\. .+"):
            require_free_port(port)


def test_a_port_that_was_free_stays_free() -> None:
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
    require_free_port(port)
    require_free_port(port)


def test_serve_takes_no_argument_but_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert not parse([]).check
    assert parse(["--check"]).check
    with pytest.raises(SystemExit) as refusal:
        parse(["--prot", "80"])
    assert refusal.value.code == 2
    assert "usage: serve" in capsys.readouterr().err
