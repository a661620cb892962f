"""`python -m deploy` as it is typed: what goes to stdout, what to stderr, and how it ends when something is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from deploy import aws
from deploy.errors import Refused
from deploy.gathering import warn_of_packages
from deploy.stage.files import KINDS
from ports import free_port
from server import ROOT

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/byoc@sha256:" + "0" * 64
REGION = {"AWS_REGION": "us-east-1"}
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
STAGES = ROOT / "deploy" / "stages"


def deploy(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Type the command where nothing of the developer's AWS configuration is found."""
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    bare = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true", **nothing}
    command = [sys.executable, "-m", "deploy", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**bare, **environ}, capture_output=True, text=True, check=False)


@pytest.fixture
def stage(request: pytest.FixtureRequest):
    """A stage's file where the command looks for it; it goes with the test."""
    path = STAGES / f"of-a-test-{os.getpid()}.toml"
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def deployed(stage: Path) -> str:
    """The name of a serverless stage whose model is in the image."""
    done = deploy("new-stage", stage.stem, "--kind", "serverless", "--image", "byoc:1", "--owner", "me@example.com")
    assert done.returncode == 0, done.stderr
    return stage.stem


def test_a_new_stage_is_written_and_its_path_alone_is_on_stdout(stage):
    done = deploy("new-stage", stage.stem, "--kind", "batch", "--image", IMAGE, "--model", "abalone", "--owner", "me")
    assert (done.returncode, done.stdout) == (0, f"{stage}\n")
    assert done.stderr == (
        f"Read it, change what you like, then: make plan STAGE={stage.stem}, and make deploy STAGE={stage.stem}\n"
    )
    assert 'kind = "batch"' in stage.read_text()


def test_a_refusal_is_on_stderr_and_ends_with_1():
    done = deploy("deploy", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("deploy: no stage nowhere: looked for ")
    assert "\n  make new_stage makes one: " in done.stderr


def test_wrong_usage_ends_with_2_and_says_what_there_is():
    done = deploy("depoy", "x")
    assert done.returncode == 2
    assert "invalid choice: 'depoy' (choose from" in done.stderr
    done = deploy("new-stage", "x", "--kind", "lambda", "--image", IMAGE)
    assert done.returncode == 1
    assert all(kind in done.stderr for kind in KINDS)


def test_an_address_that_is_left_over_is_named(deployed):
    url = f"http://127.0.0.1:{free_port()}"
    done = deploy("plan", deployed, AWS_MAX_ATTEMPTS="1", AWS_ENDPOINT_URL=url, **REGION, **CREDENTIALS)
    assert (
        f"AWS_ENDPOINT_URL is {url}: is something there (make rehearsal)? Else: unset AWS_ENDPOINT_URL" in done.stderr
    )


def test_what_make_passes_on_empty_is_asked_for():
    assert "No kind was named: KIND=… is one of" in deploy("new-stage", "x", "--kind", "", "--image").stderr
    assert "No image was named: IMAGE=…" in deploy("new-stage", "x", "--kind", "batch", "--image", "--model").stderr


def test_answers_are_fetched_into_a_folder(deployed, tmp_path):
    (tmp_path / "answers").touch()
    done = deploy("transform", deployed, "--answers", str(tmp_path / "answers"), **REGION, **CREDENTIALS)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        f"deploy: {tmp_path}/answers is a file: answers are fetched into a folder.",
    )


def test_packages_that_a_model_asks_for_are_said_to_belong_into_the_image(tmp_path):
    """Nothing is installed when a container starts."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "requirements.txt").write_text("nltk")
    said: list[str] = []
    warn_of_packages(tmp_path, said.append)
    (line,) = said
    assert line.startswith(
        f"- {tmp_path} has a code/requirements.txt, and nothing is installed at start: the image has"
    )
    assert line.endswith(f"as that of ./build_and_push.sh NAME --model {tmp_path.name} does.")
    warn_of_packages(tmp_path / "code", said.append)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "deploy: No Region: looked in the stage's file, in AWS_REGION, AWS_DEFAULT_REGION and in the AWS config"),
        (REGION, "deploy: No credentials: Unable to locate credentials."),
        ({**REGION, "AWS_ACCESS_KEY_ID": "nobody"}, "deploy: No credentials: Partial credentials found in env"),
        ({**REGION, "AWS_PROFILE": "mine"}, "deploy: The config profile (mine) could not be found."),
        (
            {**REGION, **CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:{port}"},
            "deploy: AWS cannot be reached: Could not connect to the endpoint URL",
        ),
    ],
    ids=["Region", "credentials", "half of the credentials", "profile", "network"],
)
def test_what_is_missing_is_named(deployed, environ, said):
    environ = {name: value.format(port=free_port()) for name, value in environ.items()}
    done = deploy("plan", deployed, AWS_MAX_ATTEMPTS="1", **environ)
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr


def test_who_has_lost_a_stages_file_learns_how_it_goes_without():
    done = deploy("destroy", "lost", **REGION, **CREDENTIALS)
    assert done.returncode == 1
    assert "aws cloudformation delete-stack --stack-name byoc-lost" in done.stderr


def test_a_transform_job_needs_a_stage_of_its_kind(deployed):
    done = deploy("transform", deployed, **REGION, **CREDENTIALS)
    assert done.returncode == 1
    assert f"deploy: {deployed} is a stage of kind serverless: transform jobs need one of kind batch." in done.stderr
    assert f"make new_stage STAGE={deployed}-batch KIND=batch" in done.stderr


def test_a_model_can_be_packed_without_aws(tmp_path):
    done = deploy("package", "abalone", "--into", str(tmp_path / "model.tar.gz"))
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'model.tar.gz'}\n")
    assert "is fine: " in deploy("package", str(tmp_path / "model.tar.gz")).stderr


def test_every_verb_has_a_help():
    for verb in ("new-stage", "plan", "deploy", "status", "invoke", "transform", "destroy", "template", "package"):
        done = deploy(verb, "--help")
        assert done.returncode == 0
        assert f"python -m deploy {verb}" in done.stdout


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("ExpiredToken", ["The credentials have expired. Do: words", "Get new ones, for example: aws sso login"]),
        ("InvalidClientTokenId", ["AWS does not know these credentials. Do: words", aws.WHO]),
        ("AccessDenied", ["Not allowed. Do: words", f"docs/deploying.md lists what is needed. {aws.WHO}"]),
        ("Throttling", ["AWS refused (Throttling). Do: words"]),
    ],
)
def test_what_aws_refuses_is_explained(code, lines):
    with pytest.raises(Refused) as refused, aws.in_words():
        raise ClientError({"Error": {"Code": code, "Message": "words"}}, "Do")
    assert list(refused.value.lines) == lines
