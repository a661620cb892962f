"""SageMaker's Python SDK serves the image. Its tests run in an environment of their own, which run.sh makes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.sh")
LACKING = 77  # the status of run.sh where a tool is missing that it cannot bring
ANSWERING_DOCKER = '#!/bin/sh\n[ "$1" = info ]\n'
NOBODY = "#!/bin/sh\necho 65534\n"


def run(*arguments, **environ):
    command = [str(RUN), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environ})


@pytest.fixture
def bare_machine(tmp_path):
    """A PATH on which there is an engine, but no Docker Compose, and nobody is root."""
    for name in ("bash", "dirname"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    for name, script in (("docker", ANSWERING_DOCKER), ("id", NOBODY)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    return str(tmp_path)


@pytest.mark.engine
@pytest.mark.timeout(1200)  # the SDK's 450 MB may have to be downloaded
def test_the_sdks_local_mode_serves_the_image(image):
    done = run()
    if done.returncode == LACKING and os.environ.get("REQUIRE_ALL") != "1":
        pytest.skip(done.stderr)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_help_is_the_scripts_own_head_and_goes_to_stdout():
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: run.sh [PYTEST ARGUMENT...]" in done.stdout


def test_a_missing_engine_is_named_with_what_provides_one():
    done = run(DOCKER_HOST="unix:///nowhere")
    assert (done.returncode, done.stdout) == (LACKING, "")
    assert "no Docker engine answers" in done.stderr
    assert ".ci/start_engine" in done.stderr


def test_missing_tools_are_named_with_how_to_install_them(bare_machine):
    done = run(PATH=bare_machine)
    assert (done.returncode, done.stdout) == (LACKING, "")
    assert "the SDK needs Docker Compose and pgrep, and only root can install them" in done.stderr
    assert "sudo apt-get install docker-compose procps" in done.stderr
