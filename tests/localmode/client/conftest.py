"""SageMaker's own client: the local mode of its Python SDK starts the image, asks it, and stops it."""

import importlib.util
import json
import shutil
import tarfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ports import free_port
from server import MODELS, docker

# Where the SDK is missing, these tests are run by test_local_mode.py, in the environment that has it.
collect_ignore_glob = [] if importlib.util.find_spec("sagemaker") else ["test_*.py"]

NETWORK = "sagemaker-local"  # the SDK's own name, on every machine
MODEL = MODELS / "abalone"
SILENT = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}


class Answer(NamedTuple):
    status: int
    content_type: str
    text: str
    headers: dict[str, str]


class LocalMode:
    """One session of the SDK, with a folder and a port of its own. A label tells its containers from others."""

    def __init__(self, folder: Path, image: str):
        from sagemaker.core.local import LocalSession

        self.folder = folder
        self.scratch = folder / "scratch"
        self.name = f"local-mode-test-{uuid.uuid4().hex[:12]}"
        self.session = LocalSession(sagemaker_config=SILENT)
        self.session.config = {"local": self.settings()}
        self.client = self.session.sagemaker_client
        container = {"Image": image, "ModelDataUrl": f"file://{self.archive()}", "Environment": {}}
        self.client.create_model(ModelName=self.name, PrimaryContainer=container)

    def settings(self) -> dict[str, Any]:
        self.scratch.mkdir()
        labels = {"labels": {self.name: "yes"}}
        return {"serving_port": free_port(), "container_root": str(self.scratch), "container_config": labels}

    @property
    def model_folder(self) -> Path:
        """Where local mode extracts the archive, and what it mounts."""
        return self.folder / "model"

    def archive(self) -> Path:
        """Pack the model as it would be packed for S3."""
        path = self.model_folder / "model.tar.gz"
        path.parent.mkdir()
        with tarfile.open(path, "w:gz") as archive:
            archive.add(MODEL, ".", filter=lambda member: None if "__pycache__" in member.name else member)
        return path

    @contextmanager
    def endpoint(self) -> Iterator[None]:
        """Serve the model while the context is open."""
        variant = {"VariantName": "only", "ModelName": self.name, "InstanceType": "local", "InitialInstanceCount": 1}
        self.client.create_endpoint_config(EndpointConfigName=self.name, ProductionVariants=[variant])
        try:
            self.client.create_endpoint(EndpointName=self.name, EndpointConfigName=self.name)
            yield
        finally:
            self.client.delete_endpoint(EndpointName=self.name)

    def invoke(self, body: str, **given: str) -> Answer:
        got = self.session.sagemaker_runtime_client.invoke_endpoint(Body=body, EndpointName=self.name, **given)
        about = got["ResponseMetadata"]
        return Answer(
            about["HTTPStatusCode"], got["ContentType"], got["Body"].read().decode(), dict(about["HTTPHeaders"])
        )

    def transform(self, body: str, media_type: str, output: dict[str, str], **more: str) -> str:
        """Run a batch transform job over one file of lines, and return what it writes."""
        source = self.folder / "input"
        source.mkdir()
        (source / "rows").write_text(body)
        location = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"file://{source}"}}
        self.client.create_transform_job(
            TransformJobName=self.name,
            ModelName=self.name,
            TransformInput={"DataSource": location, "ContentType": media_type, "SplitType": "Line"},
            TransformOutput={"S3OutputPath": f"file://{self.output.parent}", "Accept": media_type, **output},
            TransformResources={"InstanceType": "local", "InstanceCount": 1},
            **more,
        )
        return self.output.read_text()

    @property
    def output(self) -> Path:
        """What a transform job writes."""
        return self.folder / "output" / "rows.out"

    def containers(self) -> list[str]:
        return docker("ps", "--all", "--quiet", "--filter", f"label={self.name}").stdout.split()

    def inspect(self) -> dict[str, Any]:
        """Return what Docker knows of the one container."""
        (container,) = json.loads(docker("inspect", *self.containers()).stdout)
        return container

    def close(self) -> None:
        """Remove what the SDK leaves behind: stopped containers, and running ones and files when a job has failed."""
        if left := self.containers():
            docker("rm", "--force", "--volumes", *left)
        shutil.rmtree(self.scratch)


@pytest.fixture(scope="session")
def local_mode(image: str) -> Iterator[Callable[[Path], AbstractContextManager[LocalMode]]]:
    """Open sessions of the SDK, each in a folder; remove the network that the SDK leaves, unless others had it."""
    was_there = docker("network", "inspect", NETWORK, check=False).returncode == 0
    yield lambda folder: closing(LocalMode(folder, image))
    if not was_there:
        docker("network", "rm", NETWORK, check=False)
