"""Who runs what in a container that is started as root, as SageMaker does."""

import json
import shutil

import pytest

from builders import folder
from server import MODELS, docker

pytestmark = pytest.mark.engine

ABALONE = MODELS / "abalone"
SERVING = 10001  # the image's user
TELLING = """
    import os, pathlib, tempfile

    def model_fn(model_dir):
        return 1

    def predict_fn(rows, model):
        with open("/dev/stderr", "w") as stderr, tempfile.TemporaryFile(dir=pathlib.Path.home()):
            stderr.write("the hook writes by path\\n")
        writable = [name for name in ("/", "/opt/program", "/opt/venv", "/etc", "/var/tmp") if os.access(name, os.W_OK)]
        return [[os.getuid(), os.getgid(), os.getgroups(), writable]]

    def output_fn(answer, accept):
        import json
        return json.dumps(answer), accept
"""
STATUS = """
import json, pathlib

def fields(path):
    return dict(line.split(":\\t", 1) for line in path.read_text().splitlines() if ":\\t" in line)

own = pathlib.Path("/proc/self").resolve()
found = [fields(path / "status") for path in pathlib.Path("/proc").iterdir() if path.name.isdecimal() and path != own]
print(json.dumps(found))
"""


def status_of_processes(server):
    """Return what the kernel says of each process in the container, the first of which is `serve`."""
    found = json.loads(server.execute("python", "-c", STATUS))
    return sorted(found, key=lambda fields: int(fields["Pid"]))


@pytest.fixture(scope="module")
def telling(tmp_path_factory):
    """A model that tells who runs it, for everybody to read."""
    made = tmp_path_factory.mktemp("model")
    folder(made, {"code/inference.py": TELLING})
    for path in (made, *made.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return made


def test_only_the_first_process_is_root_and_all_others_may_do_next_to_nothing(run, telling):
    server = run(telling, SAGEMAKER_MODEL_SERVER_WORKERS="2")
    assert server.logged("starting")["user"] == "serving (10001)"
    assert server.invoke("[[1]]").json() == [[SERVING, SERVING, [], ["/var/tmp"]]]
    first, *others = status_of_processes(server)
    assert first["Uid"].split() == ["0"] * 4
    assert first["NoNewPrivs"] == "1"
    assert len(others) >= 5  # nginx with two workers, gunicorn with two
    assert {fields["Uid"].split()[0] for fields in others} == {str(SERVING)}
    assert {(fields["Groups"].strip(), fields["NoNewPrivs"], int(fields["CapEff"], 16)) for fields in others} == {
        ("", "1", 0)
    }
    assert "the hook writes by path" in server.log_text()
    assert "nginx and the model run as root" not in server.log_text()
    docker("stop", "--time", "30", server.name)
    assert server.exit_status() == 0
    assert [line for line in docker("diff", server.name).stdout.splitlines() if line.startswith("A /tmp")] == []


def test_a_model_that_root_alone_may_read_is_served_by_root_with_a_warning(run, tmp_path):
    model = shutil.copytree(ABALONE, tmp_path / "model")
    (model / "model.joblib").chmod(0o600)
    server = run(model)
    line = server.logged("nginx and the model run as root")
    assert line["level"] == "WARNING"
    assert line["reason"].startswith("user serving (10001) may not use /opt/ml/model/model.joblib: let everybody read")
    assert server.logged("starting")["user"] == "root (0)"


def test_a_root_without_capabilities_goes_on_and_one_line_says_why(run):
    server = run(ABALONE, "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    (line,) = [line for line in server.log_lines() if line["message"] == "nginx and the model run as root"]
    assert line["level"] == "INFO"
    assert "CAP_SETUID" in line["reason"]
    assert "[emerg]" not in server.log_text()
    assert {int(fields["CapEff"], 16) for fields in status_of_processes(server)} == {0}


def test_a_user_who_is_asked_for_and_does_not_exist_ends_the_start(launch):
    server = launch(ABALONE, SERVING_USER="nosuch")
    assert server.exit_status() == 1
    assert "SERVING_USER is 'nosuch'" in server.logged("cannot start")["message"]


def test_a_check_loads_the_model_as_that_user_too(command, telling):
    (telling / "samples").mkdir(exist_ok=True)
    (telling / "samples" / "one.json").write_text("[[1]]")
    (telling / "samples" / "one.expected.json").write_text(json.dumps([[SERVING, SERVING, [], ["/var/tmp"]]]))
    done = command("serve", "--check", options=("--volume", f"{telling}:/opt/ml/model:ro"))
    assert done.returncode == 0, done.stderr
    assert "the model answers its samples" in done.stderr
