"""From the seller's request to the buyer's last cell: real containers behind the stand-in, and nothing left."""

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws.conftest import Aws
from builders import folder
from deploy.errors import Refused
from deploy.marketplace import container, package
from deploy.marketplace.container import Tried
from deploy.marketplace.exchanges import Question, data_of, exchanges
from deploy.marketplace.likeness import differences
from deploy.marketplace.request import build
from deploy.marketplace.seller import read_seller
from deploy.progress import Clock
from server import IMAGE, MODELS, ROOT, docker, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]  # the image may have to be built first

MODEL = MODELS / "turkish_sentiment"
MATERIAL = MODEL / "marketplace"
SAMPLE = data_of(MODEL) / "input" / "batch"
RUNNER = ROOT / "tests" / "marketplace" / "run_notebook.py"
ACCOUNT = "123456789012"
IN_ECR = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/turkish-sentiment@sha256:" + "0" * 64  # a request has to name one
BUCKET = "sellers"
QUICK = Clock(sleep=lambda _: time.sleep(0.2))
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}],
}


@pytest.fixture(scope="module")
def client(aws: Aws) -> Any:
    return cache(aws.client)


@pytest.fixture(scope="module")
def sold(image: str) -> Iterator[str]:
    """The image with the model inside."""
    tag = f"{IMAGE}-sold-{uuid.uuid4().hex[:12]}"
    recipe = ("--file", str(ROOT / "container" / "Dockerfile"), "--build-arg", f"MODEL={MODEL.name}")
    docker("build", "--force-rm", "--tag", tag, *recipe, str(ROOT))
    yield tag
    docker("rmi", "--force", tag, check=False)


@pytest.fixture(scope="module")
def role(client: Any) -> str:
    client("s3").create_bucket(Bucket=BUCKET)
    made = client("iam").create_role(RoleName="seller", AssumeRolePolicyDocument=json.dumps(TRUST))
    return str(made["Role"]["Arn"])


@pytest.fixture(scope="module")
def submit(client: Any, role: str) -> Any:
    """Submit a package of an image of this machine; return what the command prints."""

    def submit(name: str, image: str, sample: Path = SAMPLE) -> str:
        changes = {"name": name, "role": role, "bucket": BUCKET}
        request = build(read_seller(MODEL).model_copy(update=changes), IN_ECR)
        request["InferenceSpecification"]["Containers"] = [{"Image": image}]
        clients = client("sagemaker"), client("s3")
        return package.submit(package.Submission(*clients, request, sample, lambda _: None, QUICK))

    return submit


@pytest.fixture(scope="module")
def product(submit: Any, sold: str) -> str:
    """The ARN of the package, when its validation has ended well."""
    arn, *report = submit("turkish-sentiment", sold).splitlines()
    assert report == [
        f"The package {arn.rpartition('/')[2]} is Completed.",
        "validation ValidationProfile1-Transform: Completed",
    ]
    return str(arn)


def there_is(client: Any) -> dict[str, list[str]]:
    sagemaker, s3 = client("sagemaker"), client("s3")
    buckets = [one["Name"] for one in s3.list_buckets()["Buckets"]]
    return {
        "models": [one["ModelName"] for one in sagemaker.list_models()["Models"]],
        "configurations": [one["EndpointConfigName"] for one in sagemaker.list_endpoint_configs()["EndpointConfigs"]],
        "endpoints": [one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]],
        "objects": [one["Key"] for bucket in buckets for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])],
        "buckets": buckets,
    }


def buy(aws: Aws, notebook: Path, product: str, role: str) -> subprocess.CompletedProcess[str]:
    """Run the buyer's notebook where nothing of the developer's AWS configuration is found."""
    environ = {**aws.environ(), "MODEL_PACKAGE_ARN": product, "SAGEMAKER_ROLE": role, "PATH": os.environ["PATH"]}
    command = [sys.executable, str(RUNNER), str(notebook)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_validation_runs_the_sample_through_the_image_and_its_answers_are_those_that_are_shipped(client, product):
    shipped = (data_of(MODEL) / "output" / "batch" / "reviews.jsonl.out").read_bytes().splitlines()
    place = {"Bucket": BUCKET, "Key": "marketplace/turkish-sentiment/output/reviews.jsonl.out"}
    found = client("s3").get_object(**place)["Body"].read().splitlines()
    seller = read_seller(MODEL)
    batch = [one for one in exchanges(MODEL, seller) if one.question.name.startswith("batch/")]
    assert len(found) == len(shipped) == len(batch)
    assert [*differences(batch, found)] == []


def test_the_buyers_notebook_runs_from_top_to_bottom_and_leaves_nothing(aws, client, product, role):
    before = there_is(client)
    done = buy(aws, MATERIAL / "buyer.ipynb", product, role)
    assert done.returncode == 0, done.stderr
    assert "InService\n" in done.stdout
    assert done.stdout.count("-> {") == 6
    assert done.stdout.endswith("deleted\n")
    assert there_is(client) == before


def test_a_cell_that_fails_takes_everything_down_that_was_made(aws, client, product, role, tmp_path):
    """Where a model says something else than what was shipped, the buyer pays for no endpoint that nobody looks at."""
    material = Path(shutil.copytree(MATERIAL, tmp_path / "material"))
    (material / "data" / "output" / "real-time" / "negative.json").write_text('{"prediction": 0.99}')
    before = there_is(client)
    done = buy(aws, material / "buyer.ipynb", product, role)
    assert done.returncode == 1
    assert "AssertionError: negative.json: {'prediction': 0." in done.stderr
    assert "and {'prediction': 0.99} was expected" in done.stderr
    assert there_is(client) == before


@pytest.fixture
def impatient(tmp_path):
    """Make a copy of the material whose notebook looks once, where it says *waiter*, and gives up."""

    def impatient(waiter: str, *without: str) -> Path:
        material = Path(shutil.copytree(MATERIAL, tmp_path / "material"))
        notebook = material / "buyer.ipynb"
        made = json.loads(notebook.read_text())
        made["cells"] = [cell for cell in made["cells"] if cell["id"] not in without]
        (cell,) = [cell for cell in made["cells"] if any(f'"{waiter}"' in line for line in cell["source"])]
        cell["source"].insert(0, 'patience = {"Delay": 1, "MaxAttempts": 1}\n')
        notebook.write_text(json.dumps(made))
        return notebook

    return impatient


def test_an_endpoint_that_is_given_up_while_it_is_made_is_waited_for_and_deleted(aws, client, product, role, impatient):
    before = there_is(client)
    done = buy(aws, impatient("endpoint_in_service"), product, role)
    assert "WaiterError: Waiter EndpointInService failed: Max attempts exceeded\n" in done.stderr
    assert "The endpoint is Creating and can be deleted when that has ended. Do not interrupt.\n" in done.stdout
    assert there_is(client) == before


def test_a_transform_job_that_is_given_up_is_stopped(aws, client, product, role, impatient):
    before = there_is(client)
    done = buy(aws, impatient("transform_job_completed_or_stopped", "cell-10", "cell-12"), product, role)
    assert "WaiterError: Waiter TransformJobCompletedOrStopped failed: Max attempts exceeded\n" in done.stderr
    jobs = client("sagemaker").list_transform_jobs(NameContains="turkish-sentiment")["TransformJobSummaries"]
    newest = max(jobs, key=lambda job: job["TransformJobName"])
    assert newest["TransformJobStatus"] == "Stopped"
    assert there_is(client) == before


def test_the_image_answers_the_samples_without_a_network_and_with_a_root_that_cannot_be_written(aws, sold):
    done = command(aws, "check", "turkish_sentiment", "--run", sold)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"- {sold} answers all 6 requests of the samples as is shipped, without a network\n"
    inside = docker("run", "--rm", "--pull", "never", sold, "ls", "/opt/program/model").stdout.split()
    assert "model.joblib" in inside
    assert "marketplace" not in inside


def test_an_image_that_refuses_a_sample_or_does_not_serve_is_said(smallest_image):
    with pytest.raises(Refused, match=r"^real-time/x\.txt: the container answers 422: no$"):
        container.of_image(Tried(smallest_image), [Question("real-time/x.txt", b"refuse", "text/plain", "*/*", Path())])
    with variant(smallest_image, "ENV GREETING=nobody") as image, pytest.raises(Refused) as caught:
        container.of_image(Tried(image), [])
    assert caught.value.lines == (
        "Without a network, its root read-only, the container has ended:",
        "there is nobody to greet with",
    )
    with variant(smallest_image, "ENV SAGEMAKER_BIND_TO_PORT=8081") as image, pytest.raises(Refused) as caught:
        container.of_image(Tried(image, seconds=0), [])
    assert caught.value.lines[0] == "Without a network, its root read-only, the container does not answer /ping:"


@contextmanager
def variant(image: str, line: str) -> Iterator[str]:
    """Make another image of one, with a line more."""
    tag = f"{image}-{uuid.uuid4().hex[:12]}"
    recipe = f"FROM {image}\n{line}\n"
    subprocess.run(["docker", "build", "--tag", tag, "-"], input=recipe, text=True, check=True, capture_output=True)
    try:
        yield tag
    finally:
        docker("rmi", "--force", tag, check=False)


def test_the_image_is_tried_with_the_environment_that_is_sold(aws, smallest_image, tmp_path):
    seller = (MATERIAL / "seller.toml").read_text() + '\n[environment]\nGREETING = "good day"\n'
    files = {"data/input/real-time/x.txt": "you", "data/output/real-time/x.txt": "good day you"}
    files |= {"data/input/batch/x.txt": "me\nus\n", "data/output/batch/x.txt.out": "good day me\ngood day us\n"}
    material = {f"marketplace/{name}": text for name, text in {**files, "seller.toml": seller}.items()}
    done = command(aws, "check", str(folder(tmp_path / "greeter", material)), "--run", smallest_image)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"- {smallest_image} answers all 3 requests of the samples as is shipped")


def test_a_sample_that_the_container_refuses_fails_the_validation(client, submit, smallest_image, tmp_path):
    sample = folder(tmp_path / "sample", {"reviews.jsonl": "fine\nrefuse\n"})
    with pytest.raises(Refused) as caught:
        submit("refuses", smallest_image, sample)
    first, second, *_ = caught.value.lines
    assert first.startswith("The package refuses-")
    assert first.endswith(" is Failed.")
    assert second == ("validation ValidationProfile1-Transform: Failed: ClientError: See job logs for more information")
    name = first.split()[2]
    with pytest.raises(ClientError, match="is Failed; it has to be Completed"):
        make_model(client, name, EnableNetworkIsolation=True)
    client("sagemaker").delete_model_package(ModelPackageName=name)
    with pytest.raises(ClientError, match=f"ModelPackage {name} does not exist"):
        client("sagemaker").describe_model_package(ModelPackageName=name)


def make_model(client: Any, name: str, **more: Any) -> None:
    role = client("iam").get_role(RoleName="seller")["Role"]["Arn"]
    container = {"ModelPackageName": name}
    client("sagemaker").create_model(ModelName="of-package", ExecutionRoleArn=role, PrimaryContainer=container, **more)


def test_an_endpoint_that_is_being_made_cannot_be_deleted(client, role, smallest_image):
    sagemaker, name = client("sagemaker"), "in-progress"
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": smallest_image})
    variant = {"VariantName": "A", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    with pytest.raises(ClientError, match='Cannot update in-progress endpoint "arn:aws:sagemaker:'):
        sagemaker.delete_endpoint(EndpointName=name)
    until(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService", "the endpoint")
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)


def test_a_package_that_is_not_isolated_or_not_there_makes_no_model(client, product):
    with pytest.raises(ClientError, match="with EnableNetworkIsolation alone"):
        make_model(client, product)
    with pytest.raises(ClientError, match="ModelPackage nowhere does not exist"):
        make_model(client, "nowhere", EnableNetworkIsolation=True)
    about = client("sagemaker").describe_model_package(ModelPackageName=product)
    again = {name: about[name] for name in ("ModelPackageName", "InferenceSpecification")}
    with pytest.raises(ClientError, match="Cannot create already existing model package"):
        client("sagemaker").create_model_package(**again)


@pytest.mark.registry
def test_the_command_submits_what_lies_in_ecr_and_reports(aws, client, registry, role, smallest_image, tmp_path):
    from aws.registry import PASSWORD, USER

    login = ["--config", str(tmp_path), "login", "--username", USER, "--password-stdin", registry.host]
    subprocess.run(["docker", *login], input=PASSWORD, text=True, check=True, capture_output=True)
    client("ecr").create_repository(repositoryName="sold")
    # A bucket that `submit` makes takes nothing that is not encrypted on its way, and the stand-in has no TLS.
    client("s3").create_bucket(Bucket=f"sagemaker-us-east-1-{ACCOUNT}")
    tag = f"{registry.host}/sold:1"
    docker("tag", smallest_image, tag)
    pushed = docker("--config", str(tmp_path), "push", tag).stdout
    digest = f"sha256:{pushed.partition('sha256:')[2][:64]}"
    known = {"repositoryName": "sold", "imageIds": [{"imageDigest": digest}]}
    until(lambda: client("ecr").batch_get_image(**known)["images"], "ECR's knowledge of the image")
    docker("rmi", "--force", tag)

    done = command(aws, "submit", "turkish_sentiment", "--image", f"{registry.host}/sold@{digest}")
    assert done.returncode == 1
    assert "SageMaker does not take the package turkish-sentiment-" in done.stderr
    assert f"Could not assume role arn:aws:iam::{ACCOUNT}:role/turkish-sentiment-validation." in done.stderr

    trusted = json.dumps(TRUST)
    client("iam").create_role(RoleName="turkish-sentiment-validation", AssumeRolePolicyDocument=trusted)
    done = command(aws, "submit", "turkish_sentiment", "--image", f"{registry.host}/sold@{digest}")
    assert done.returncode == 0, done.stderr
    arn, *report = done.stdout.splitlines()
    assert report[-1] == "validation ValidationProfile1-Transform: Completed"
    assert f"- {registry.host}/sold@{digest} is there, for linux/amd64; the package will be turkish-se" in done.stderr
    assert "- before publishing: ECR has not scanned the image, and Marketplace lists none without." in done.stderr
    shown = command(aws, "status", arn.rpartition("/")[2])
    assert (shown.returncode, shown.stdout.splitlines()) == (0, report)

    elsewhere = f"{registry.host}/sold@{digest}".replace(ACCOUNT, "210987654321")
    done = command(aws, "submit", "turkish_sentiment", "--image", elsewhere)
    assert done.stderr == (
        f"deploy: The image lies in the account 210987654321, and you are in {ACCOUNT}: "
        "Marketplace takes an image from the seller's own account alone.\n"
    )


def command(aws: Aws, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**aws.environ(), "PATH": os.environ["PATH"]}
    line = [sys.executable, "-m", "deploy", "marketplace", *words]
    return subprocess.run(line, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
