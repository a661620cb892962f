"""The scripts of local_test/: what they print where, and what they say when something is wrong."""

import http.server
import os
import shlex
import shutil
import signal
import subprocess
import threading
from contextlib import closing

import pytest

from ports import free_port
from server import MODELS, ROOT, HostServer, until

SERVE = ROOT / "local_test" / "serve_local.sh"
PREDICT = ROOT / "local_test" / "predict.sh"
ALL = [*sorted((ROOT / "local_test").glob("*_*.sh")), PREDICT, *sorted((ROOT / "tests").glob("*.sh"))]


def run(*command, **environ):
    words = [str(word) for word in command]
    return subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, **environ}, cwd="/", timeout=300
    )


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_help_is_the_scripts_own_head_and_goes_to_stdout(script):
    done = run(script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    head = [line.removeprefix("#").removeprefix(" ") for line in script.read_text().splitlines()[1:]]
    assert done.stdout.splitlines()[0] == head[0]
    assert f"usage: {script.name}" in done.stdout


@pytest.mark.parametrize("script", [SERVE, PREDICT], ids=lambda script: script.name)
def test_an_unknown_option_is_named_with_the_usage_on_stderr(script):
    done = run(script, "--nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert "unknown option --nonsense" in done.stderr
    assert "usage:" in done.stderr


@pytest.mark.parametrize("script", [SERVE, PREDICT], ids=lambda script: script.name)
def test_an_unknown_model_is_named_with_those_that_exist(script):
    done = run(script, "nothing")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no model folder: looked for" in done.stderr
    assert "abalone_featurizer" in done.stderr


@pytest.mark.parametrize("script", [SERVE, PREDICT], ids=lambda script: script.name)
def test_a_wrong_model_gets_one_message(script):
    assert run(script, "nothing").stderr.count(f"{script.name}:") == 1


@pytest.mark.parametrize("script", [SERVE, PREDICT], ids=lambda script: script.name)
@pytest.mark.parametrize("port", ["abc", "0", "65536", "99999", "08080", "-1"])
def test_a_port_is_a_number(script, port):
    done = run(script, "--port", port)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"--port is a number from 1 to 65535, not {port}" in done.stderr


def test_make_manifest_of_a_wrong_model_writes_nothing(tmp_path):
    before = set(ROOT.iterdir())
    done = run("make", "-C", ROOT, "manifest", "MODEL=nothing")
    assert done.returncode != 0
    assert "no model folder: looked for" in done.stderr
    assert set(ROOT.iterdir()) == before


def test_make_image_bakes_the_model_that_is_given():
    plain = run("make", "-C", ROOT, "--dry-run", "image").stdout
    baked = run("make", "-C", ROOT, "--dry-run", "image", "MODEL=abalone").stdout
    assert ('MODEL=""' in plain, 'MODEL="abalone"' in baked) == (True, True)


def test_an_engine_is_docker_or_host():
    done = run(SERVE, "--engine", "podman")
    assert done.returncode == 2
    assert "--engine is docker or host, not podman" in done.stderr


def test_predict_says_that_nobody_answers():
    done = run(PREDICT, "--port", str(free_port()))
    assert (done.returncode, done.stdout) == (1, "")
    assert "no server answers at http://localhost:" in done.stderr
    assert "make serve" in done.stderr


def test_predict_shows_the_curl_line_that_can_be_pasted():
    done = run(PREDICT, "abalone", "--show", "--port", "9999")
    row = "I,0.365,0.295,0.095,0.25,0.1075,0.0545,0.08,9.0"
    assert done.stdout == f"curl --data-raw '{row}' -H 'Content-Type: text/csv' http://localhost:9999/invocations\n"


def test_the_curl_line_can_be_pasted_when_the_sample_lies_in_a_folder_with_a_space(tmp_path):
    sample = tmp_path / "my models" / "one.json"
    sample.parent.mkdir()
    sample.touch()
    shown = run(PREDICT, "--sample", sample, "--show").stdout
    assert shlex.split(shown)[:3] == ["curl", "--data-binary", f"@{sample}"]


def test_predict_does_not_guess_a_media_type(tmp_path):
    (tmp_path / "request.xyz").write_text("1")
    done = run(PREDICT, "--sample", tmp_path / "request.xyz")
    assert (done.returncode, "no media type is known for" in done.stderr) == (1, True)


def test_a_model_without_samples_cannot_be_shown(tmp_path):
    (tmp_path / "model.joblib").touch()
    done = run(PREDICT, tmp_path)
    assert (done.returncode, "the model has no sample request" in done.stderr) == (1, True)


@pytest.mark.nginx
def test_predict_prints_the_answer_alone():
    with closing(HostServer(MODELS / "abalone", {})) as server:
        server.wait_until_ready()
        done = run(PREDICT, "abalone", "--port", server.port)
        assert (done.returncode, done.stdout, done.stderr) == (0, "7.258125951673891\n", "")
        chosen = run(PREDICT, "abalone", "--port", server.port, "--accept", "application/json")
        assert chosen.stdout == "[7.258125951673891]"


@pytest.mark.nginx
def test_predict_fails_on_an_answer_that_is_no_success_and_shows_it(tmp_path):
    (tmp_path / "bad.csv").write_text("1,2\n")
    with closing(HostServer(MODELS / "abalone", {})) as server:
        server.wait_until_ready()
        done = run(PREDICT, "--port", server.port, "--sample", tmp_path / "bad.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Row 1 has 2 columns" in done.stderr
    assert "the server answered 400" in done.stderr


# What a shell runs in the background ignores Ctrl-C, and so would everything below these tests there.
HEEDING_CTRL_C = ("env", "--default-signal=INT")


class Serving:
    """`serve_local.sh` in a terminal's process group."""

    def __init__(self, folder, *arguments, **environ):
        self.output = folder / "output"
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [*HEEDING_CTRL_C, str(SERVE), *map(str, arguments)],
                stdout=file,
                stderr=file,
                cwd="/",
                env={**os.environ, **environ},
                start_new_session=True,
            )

    def text(self):
        return self.output.read_text()

    def wait_until_ready(self):
        def is_ready():
            assert self.process.poll() is None, self.text()
            # A line of the server's log may come after the words, and between any two of them.
            return self.text().partition("Try it from another terminal")[2].count("\n\n") >= 2

        until(is_ready, "readiness", patience=300)

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(60)


@pytest.mark.parametrize(
    "engine", [pytest.param("host", marks=pytest.mark.nginx), pytest.param("docker", marks=pytest.mark.engine)]
)
def test_a_model_is_served_until_ctrl_c(tmp_path, engine):
    port = free_port()
    with closing(
        Serving(tmp_path, "abalone_predictor", "--port", port, "--engine", engine, SAGEMAKER_MODEL_SERVER_WORKERS="1")
    ) as serving:
        serving.wait_until_ready()
        assert "Ready after" in serving.text()
        assert '"workers":1' in serving.text()  # the shell's settings are passed on
        assert '{"result": [' in run(PREDICT, "abalone_predictor", "--port", port).stdout
    assert "Stopping." in serving.text()
    assert serving.process.returncode == 0


@pytest.mark.nginx
def test_a_start_that_fails_ends_the_script_with_the_servers_message_and_status(tmp_path):
    broken = ROOT / "tests" / "broken_models" / "several_candidates"
    with closing(Serving(tmp_path, broken, "--port", free_port(), "--engine", "host")) as serving:
        assert serving.process.wait(120) == 1
        assert "holds several models: first.joblib, second.joblib" in serving.text()


@pytest.mark.nginx
def test_a_taken_port_is_said_and_not_taken_for_readiness(tmp_path):
    handler = http.server.SimpleHTTPRequestHandler
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with closing(Serving(tmp_path, "abalone", "--port", other.server_port, "--engine", "host")) as serving:
            assert serving.process.wait(120) == 1
            assert f"port {other.server_port} is taken." in serving.text()
            assert "Ready" not in serving.text()
        other.shutdown()


@pytest.mark.nginx
def test_a_sample_that_is_refused_does_not_end_the_server(tmp_path):
    model = shutil.copytree(MODELS / "abalone", tmp_path / "model")
    shutil.rmtree(model / "samples")
    (model / "samples").mkdir()
    (model / "samples" / "notes.md").write_text("no sample, for its extension")
    (model / "code").mkdir()
    (model / "code" / "inference.py").write_text("def predict_fn(rows, model): raise RuntimeError\n")
    (model / "samples" / "one_row.csv").write_text("refused,for,its,width\n")
    port = free_port()
    serving = Serving(tmp_path, model, "--port", port, "--engine", "host", SERVING_LOAD_PER="container")
    with closing(serving):
        assert serving.process.wait(120) != 0  # its own sample fails it at the start
        assert "The model fails on its own sample" in serving.text()
    (model / "samples" / "one_row.csv").unlink()
    with closing(Serving(tmp_path, model, "--port", port, "--engine", "host")) as serving:
        until(lambda: "Ready after" in serving.text(), "readiness", patience=120)
        assert serving.process.poll() is None
    assert serving.process.returncode == 0


@pytest.mark.nginx
def test_the_server_ends_when_the_script_does(tmp_path):
    port = free_port()
    with closing(Serving(tmp_path, "abalone", "--port", port, "--engine", "host")) as serving:
        serving.wait_until_ready()
        serving.process.terminate()
        assert serving.process.wait(60) == 0
        assert run(PREDICT, "--port", port).returncode == 1


def bare_machine(folder, *programs):
    """A PATH with these programs and the shell's own tools alone."""
    for program in ("bash", "dirname", "basename", "sed", "tr", "id", "env", "cksum", "mktemp", "rm", "cat", *programs):
        (folder / program).symlink_to(shutil.which(program))
    return str(folder)


def sourced(command, path):
    return run(
        shutil.which("bash"), "-c", f"PATH={path}; source {ROOT}/local_test/lib.sh; PATH={path}; {command}", PYTHON=""
    )


def test_a_bash_that_is_too_old_is_named():
    """macOS's own; its version stands in for it, for there is none to be had here."""
    text = (ROOT / "local_test" / "lib.sh").read_text().replace("${BASH_VERSINFO[0]}${BASH_VERSINFO[1]}", "32")
    done = run(shutil.which("bash"), "-c", text)
    assert done.returncode == 1
    assert "is too old: 4.4 or newer is needed" in done.stderr


def test_a_machine_without_python_is_told_what_to_install(tmp_path):
    done = sourced("find_python", bare_machine(tmp_path))
    assert done.returncode == 1
    assert "no Python: looked for 3.11 or newer" in done.stderr
    assert "apt-get install python3" in done.stderr


def test_a_machine_without_nginx_or_the_right_to_install_it_is_told_what_to_do(tmp_path):
    done = sourced("ensure_nginx", bare_machine(tmp_path))
    assert done.returncode == 1
    assert "nginx is not installed, and only root can install it with apt." in done.stderr
    assert "or start Docker: the image brings its own." in done.stderr


def test_a_step_that_fails_shows_what_its_command_printed(tmp_path):
    done = sourced("run_quietly 'doing it' bash -c 'echo the cause; exit 3'", bare_machine(tmp_path))
    assert done.returncode == 1
    assert "- doing it\nthe cause\n" in done.stderr
    assert "failed: doing it" in done.stderr


def test_make_help_lists_every_verb():
    verbs = {line.split(":")[0] for line in (ROOT / "Makefile").read_text().splitlines() if ": ## " in line}
    listed = {
        line.split()[1] for line in run("make", "-C", ROOT, "help").stdout.splitlines() if line.startswith("  make ")
    }
    assert listed == verbs
