"""AWS on this machine: the stand-in with real containers behind its endpoints, and a real registry in ECR's place."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from ports import free_port
from server import docker, until

STAND_IN = Path(__file__).parent / "stand_in"
SMALLEST = STAND_IN / "smallest"
EXPORT = re.compile(r"export (\w+)=(.*)")
STARTUP = "45"  # seconds, and not SageMaker's 480, until a container that is never healthy has failed


class Aws:
    """The stand-in as a person starts it."""

    def __init__(self, folder: Path):
        self.log = folder / "log"
        self.printed = folder / "printed"
        ports = ("--port", str(free_port()), "--runtime-port", str(free_port()))
        command = [sys.executable, str(STAND_IN), *ports, "--startup-seconds", STARTUP, "--folder", str(folder)]
        with self.log.open("wb") as log, self.printed.open("wb") as printed:
            self.process = subprocess.Popen(
                command, env={"PATH": os.environ["PATH"]}, stdout=printed, stderr=log, stdin=subprocess.DEVNULL
            )
        self.clients = ExitStack()
        until(lambda: "ready" in self.said() or self.process.poll() is not None, "the stand-in")
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def environ(self) -> dict[str, str]:
        """Return the variables that a terminal needs."""
        return dict(EXPORT.findall(self.printed.read_text()))

    @property
    def url(self) -> str:
        return self.environ()["AWS_ENDPOINT_URL"]

    @property
    def runtime_url(self) -> str:
        return self.environ()["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"]

    def client(self, name: str) -> Any:
        """Return a boto3 client whose first try counts."""
        environ = self.environ()
        session = boto3.Session(
            environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], region_name=environ["AWS_REGION"]
        )
        url = self.runtime_url if name == "sagemaker-runtime" else self.url
        config = Config(retries={"total_max_attempts": 1}, proxies={})
        return self.clients.enter_context(closing(session.client(name, endpoint_url=url, config=config)))

    def close(self) -> None:
        self.clients.close()
        self.process.terminate()
        self.process.wait(120)  # it stops the containers first


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with closing(Aws(tmp_path_factory.mktemp("aws"))) as aws:
        yield aws


@pytest.fixture(scope="module")  # not longer: there is only one with that name, and `make rehearsal` wants it too
def registry(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A registry with TLS and a password under ECR's host name; the stand-in's ECR knows what is pushed to it."""
    from aws.registry import Registry

    with Registry(aws.url, tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture(scope="session")
def smallest_image() -> Iterator[str]:
    """An image that starts in a moment, and answers with $GREETING; if that is `nobody`, it cannot start."""
    tag = f"smallest:{os.getpid()}"
    docker("build", "--tag", tag, str(SMALLEST))
    yield tag
    docker("rmi", "--force", tag, check=False)


@pytest.fixture(scope="module")
def push(aws, registry, tmp_path_factory) -> Iterator[Callable[[str, str], str]]:
    """Push an image of this machine to a repository; return what a stage calls it."""
    from aws.registry import PASSWORD, USER

    configuration = ("--config", str(tmp_path_factory.mktemp("docker")))
    login = [*configuration, "login", "--username", USER, "--password-stdin", registry.host]
    subprocess.run(["docker", *login], input=PASSWORD, text=True, check=True, capture_output=True)
    ecr, pushed = aws.client("ecr"), []

    def push(image: str, repository: str) -> str:
        with suppress(ecr.exceptions.RepositoryAlreadyExistsException):
            ecr.create_repository(repositoryName=repository)
        name = f"{registry.host}/{repository}:pushed-{len(pushed)}-{os.getpid()}"
        docker("tag", image, name)
        pushed.append(name)
        digest = re.search("sha256:[0-9a-f]{64}", docker(*configuration, "push", name).stdout)[0]
        known = {"repositoryName": repository, "imageIds": [{"imageDigest": digest}]}
        until(lambda: ecr.batch_get_image(**known)["images"], "ECR's knowledge of the image")
        return f"{repository}@{digest}"

    yield push
    docker("rmi", "--force", *pushed, check=False)
