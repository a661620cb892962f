"""`python -m deploy` and its verbs about jobs, as they are typed; AWS is the stand-in."""

import json
import os
import subprocess
import sys

import pytest

from builders import folder
from server import ROOT

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.timeout(600)]

BUCKET = "sagemaker-us-east-1-123456789012"
NAME = f"of-a-test-{os.getpid()}"


@pytest.fixture(scope="module")
def deploy(aws):
    def deploy(*arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **aws.environ()}
        command = [sys.executable, "-m", "deploy", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)

    return deploy


@pytest.fixture(scope="module")
def job(deploy, push, smallest_image, tmp_path_factory):
    """A job whose programs are empty; its file goes with the tests."""
    model = folder(tmp_path_factory.mktemp("model"), {"preprocess.py": "", "code/train.py": ""})
    image = push(smallest_image, "greeter")
    done = deploy("new-job", NAME, "--image", image, "--model", str(model), "--owner", "me")
    path = ROOT / "deploy" / "jobs" / f"{NAME}.toml"
    assert (done.returncode, done.stdout) == (0, f"{path}\n"), done.stderr
    assert done.stderr == f"Read it, change what you like, then: make process_job JOB={NAME} DATA=…\n"
    yield image
    path.unlink()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("data"), {"a.zip": "1", "train/b": "2", "validation/c": "3"})


def test_a_dry_run_shows_the_request_by_the_images_digest_and_makes_nothing(aws, deploy, job, data):
    done = deploy("process", NAME, "--data", str(data / "a.zip"), "--dry-run")
    request = json.loads(done.stdout)
    assert request["AppSpecification"]["ImageUri"] == f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{job}"
    assert request["AppSpecification"]["ContainerArguments"] == ["a.zip"]
    assert request["RoleArn"] == "(a role of the job's own)"
    done = deploy("train", NAME, "--data", str(data), "--dry-run")
    assert [one["ChannelName"] for one in json.loads(done.stdout)["InputDataConfig"]] == ["train", "validation", "code"]
    stacks = aws.client("cloudformation").describe_stacks()["Stacks"]
    assert [stack for stack in stacks if NAME in stack["StackName"]] == []
    assert aws.client("sagemaker").list_training_jobs(NameContains=NAME)["TrainingJobSummaries"] == []


def test_the_status_of_a_job_that_never_ran_says_so(aws, deploy, job):
    done = deploy("job-status", NAME)
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [f"{kind}: no runs; 1 x ml.m5.large billed while the job runs" for kind in ("processing", "training")],
    )
    done = deploy("destroy-job", NAME, "--dry-run")
    assert (done.returncode, done.stdout) == (0, f"There is no stack byocjob-{NAME}.\n")


def test_a_job_that_is_not_there_is_said(deploy):
    done = deploy("train", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("deploy: no job nowhere: looked for ")
