"""`make page`: one command runs the page, the API, the function, the runtime and the container, and ends them all."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing

import pytest
import requests

from ports import free_port
from server import MODELS, PATIENCE, ROOT, descendants, processes, until

PROGRAM = ROOT / "local_test" / "serve_page.sh"
NASTY = "A boring, stupid waste of time."


class Command:
    """The script, as somebody runs it in a terminal."""

    def __init__(self, log, *arguments, **environ):
        self.log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [PROGRAM, *arguments],
                stdout=stream,
                stderr=stream,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1", **environ},
            )

    def said(self):
        return self.log.read_text(errors="replace")

    def has_ended(self):
        return self.process.poll() is not None

    def wait_until_ready(self):
        until(lambda: "Ready: " in self.said() or self.has_ended(), f"the ready line in {self.log}")
        assert not self.has_ended(), self.said()

    def close(self):
        for pid in (*descendants(self.process.pid), self.process.pid):
            if not self.has_ended() or pid != self.process.pid:
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def line_of(pid):
    return {pid: line for pid, _, line in processes()}.get(pid)


def four_ports():
    """Return the first of four in a row that are free now."""
    while True:
        ports = [free_port() for _ in range(4)]
        if sorted(ports) == list(range(min(ports), min(ports) + 4)):
            return min(ports)


@pytest.mark.nginx
def test_one_command_runs_everything_and_ctrl_c_ends_it(tmp_path):
    port = four_ports()
    folder = str(MODELS / "movie_sentiment")
    # A proxy that is not there: nothing of all this is to be asked of it.
    proxy = {"http_proxy": f"http://127.0.0.1:{free_port()}", "NO_PROXY": "example.com"}
    with closing(Command(tmp_path / "log", folder, "--port", str(port), "--engine", "host", **proxy)) as command:
        command.wait_until_ready()
        assert f"http://localhost:{port} is the page, http://localhost:{port + 1}/demo its API." in command.said()
        page = requests.get(f"http://localhost:{port}/", timeout=10)
        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert f"connect-src http://localhost:{port + 1}/demo;" in page.text
        assert requests.get(f"http://localhost:{port}/elsewhere", timeout=10).status_code == 404
        headers = {"Content-Type": "text/plain", "Origin": f"http://localhost:{port}"}
        answer = requests.post(f"http://localhost:{port + 1}/demo", data=NASTY, headers=headers, timeout=60)
        assert answer.json()["body"]["sentiment"] == "negative"
        assert answer.headers["Access-Control-Allow-Origin"] == f"http://localhost:{port}"
        assert '"status": 200' in command.said()
        below = {pid: line for pid, (_, line) in descendants(command.process.pid).items()}
        os.killpg(command.process.pid, signal.SIGINT)  # as a terminal does
        until(command.has_ended, "the end")
        assert [pid for pid, line in below.items() if line_of(pid) == line] == []


def test_a_port_that_is_taken_is_named():
    """Each of the four: another program's answers would be taken for ours."""
    with socket.socket() as taken:
        port = four_ports()
        taken.bind(("127.0.0.1", port + 2))
        taken.listen()
        command = [PROGRAM, "movie_sentiment", "--port", str(port), "--engine", "host"]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[0].endswith(f"port {port + 2} is taken.")
    assert "make page PORT=N; four in a row are needed" in ran.stderr


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"attempts = 9", "is no API:\n  attempts: should be less than or equal to 4"),
        (b"attempts = ", "is not TOML: Invalid value"),
        (b"\xff", "is not TOML: 'utf-8' codec can't decode"),
        (None, "cannot be read: No such file or directory."),
    ],
)
def test_the_page_cannot_start_with_settings_that_make_no_sense(tmp_path, written, said):
    settings = tmp_path / "bad.toml"
    if written is not None:
        settings.write_bytes(written)
    command = [sys.executable, ROOT / "local_test" / "page.py", "--endpoint", "x", "--settings", settings]
    ran = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"page.py: {settings} {said}")


@pytest.mark.parametrize(
    ("folder", "arguments", "status", "said"),
    [
        ("movie_sentiment", ["--settings", "/nowhere.toml"], 1, "no such file: /nowhere.toml"),
        (
            "movie_sentiment",
            ["--port", "65533"],
            2,
            "the last of the four ports is a number from 1 to 65535, not 65536",
        ),
        (
            "movie.sentiment",
            [],
            2,
            "the folder's name movie.sentiment cannot name an endpoint: SageMaker takes up to 63",
        ),
        ("movies-", [], 2, "the folder's name movies- cannot name an endpoint"),
    ],
)
def test_what_cannot_be_is_said_before_the_model_is_started(tmp_path, folder, arguments, status, said):
    (tmp_path / folder).mkdir()
    command = [PROGRAM, str(tmp_path / folder), "--engine", "host", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout) == (status, "")
    assert said in ran.stderr
    assert "Serving" not in ran.stderr


@pytest.mark.parametrize(
    ("told", "status", "said"),
    [
        (signal.SIGTERM, -signal.SIGTERM, ""),
        (signal.SIGINT, 1, "endpoint.py: ended before it served anything.\n"),
    ],
)
def test_a_program_that_waits_for_s3_can_be_told_to_end(told, status, said):
    # What a shell runs in the background ignores Ctrl-C, and so would this test's program there.
    command = ["env", "--default-signal=INT", sys.executable, ROOT / "local_test" / "endpoint.py", "x=1", "--port", "0"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        s3 = {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{silent.getsockname()[1]}", "AWS_DEFAULT_REGION": "eu-west-1"}
        environ = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", **s3}
        process = subprocess.Popen(
            [*command, "--async-output", "s3://b/p"],
            env={"PATH": os.environ["PATH"], **environ},
            stderr=subprocess.PIPE,
        )
        with process, closing(silent.accept()[0]):
            process.send_signal(told)
            try:
                assert (process.wait(PATIENCE), process.stderr.read().decode()) == (status, said)
            finally:
                process.kill()


def test_a_program_that_is_told_to_end_twice_at_once_ends(tmp_path):
    """A terminal tells every process, and so does the script that started them."""
    for number in range(6):
        log = tmp_path / f"{number}.log"
        command = [sys.executable, ROOT / "local_test" / "endpoint.py", "--port", str(free_port()), "x=1"]
        with log.open("wb") as stream, subprocess.Popen(command, stderr=stream) as process:
            until(lambda log=log: "ready on" in log.read_text(), "the ready line")
            for told in (signal.SIGINT, signal.SIGTERM):
                process.send_signal(told)
            assert process.wait(60) == 0
