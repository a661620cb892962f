"""Transform jobs and endpoints of the example model, in the image, answer what the model answers in Python."""

import json
import time
from collections.abc import Iterator
from functools import cache

import joblib
import pandas as pd
import pytest

from abalone import COLUMNS, ROW, SHELLS, lines
from builders import folder
from deploy.call.calling import Caller, Request
from deploy.call.invoke import invoke
from deploy.call.samples import request_of
from deploy.call.transform import planned
from deploy.call.transform_job import Job, run
from deploy.errors import Refused
from deploy.facts import Account
from deploy.model import artifacts
from deploy.progress import CLOCK, Clock
from deploy.stage import places
from deploy.stage.files import parse_stage
from deploy.stage.kinds import Stage
from server import MODELS, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]  # the image may have to be built first

ACCOUNT = Account("123456789012", "aws", "us-east-1")
BUCKET = "shells"
ROLE = "shells"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}],
}
IN_ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shells@sha256:" + "0" * 64  # a stage has to name one
MACHINE = {"type": "ml.m5.large"}
QUICK = Clock(sleep=lambda _: time.sleep(0.2))


def stage_of(name: str, kind: str, **settings) -> Stage:
    content = {"kind": kind, "owner": "me", "image": IN_ECR, "model": "models/abalone", "instance": MACHINE, **settings}
    return parse_stage(name, content, f"{name}.toml")


def shells(count: int) -> list[list[object]]:
    """Return that many shells, all different."""
    return [
        [sex, *(size * (1 + number / count) for size in sizes)] for number in range(count) for sex, *sizes in SHELLS
    ]


def calculated(rows: list[list[object]]) -> list[float]:
    """Return what the model says of the shells, without a server."""
    return joblib.load(MODELS / "abalone" / "model.joblib").predict(pd.DataFrame(rows, columns=COLUMNS)).tolist()


@pytest.fixture(scope="module")
def client(aws):
    return cache(aws.client)


@pytest.fixture(scope="module")
def model(client, image) -> Iterator[str]:
    """The example model in SageMaker: the image of this checkout, and the archive of the folder."""
    client("s3").create_bucket(Bucket=BUCKET)
    archive = artifacts.upload(client("s3"), ACCOUNT, BUCKET, MODELS / "abalone", print)
    role = client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    container = {"Image": image, "ModelDataUrl": archive.url}
    client("sagemaker").create_model(ModelName="shells", ExecutionRoleArn=role, PrimaryContainer=container)
    yield "shells"
    client("sagemaker").delete_model(ModelName="shells")


@pytest.fixture
def transform(client, model, tmp_path):
    """Run a job over files with these names and contents; return those of its answers."""

    def transform(files, **batch):
        stage = stage_of("nightly", "batch", batch=batch)
        rows = folder(tmp_path / "rows", files)
        request = planned(stage, model, BUCKET, CLOCK.now(), rows)
        run(Job(client("sagemaker"), client("s3"), request, rows, tmp_path / "answers", print, QUICK))
        return answers_in(tmp_path)

    return transform


def answers_in(tmp_path):
    answers = tmp_path / "answers"
    return {path.relative_to(answers).as_posix(): path.read_text() for path in answers.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def endpoint(client, model):
    """Put the model behind an endpoint, and wait for it."""

    def endpoint(stage, **config):
        sagemaker = client("sagemaker")
        variant = {"VariantName": "AllTraffic", "ModelName": model, "InstanceType": "ml.m5.large"}
        sagemaker.create_endpoint_config(
            EndpointConfigName=stage.name, ProductionVariants=[{**variant, "InitialInstanceCount": 1}], **config
        )
        sagemaker.create_endpoint(EndpointName=stage.name, EndpointConfigName=stage.name)
        named.append(stage.name)
        until(lambda: status(stage.name) != "Creating", "the endpoint")
        assert status(stage.name) == "InService"
        return lambda request: invoke(Caller(client, BUCKET, 60, said.append, QUICK), stage, request)

    def status(name):
        return client("sagemaker").describe_endpoint(EndpointName=name)["EndpointStatus"]

    named, said = [], []
    yield endpoint
    for name in named:
        client("sagemaker").delete_endpoint(EndpointName=name)
        client("sagemaker").delete_endpoint_config(EndpointConfigName=name)


def test_a_job_answers_each_row_of_each_file_in_its_order(transform):
    first, second = shells(200), shells(30)
    answers = transform({"first.csv": lines(first), "deep/second.csv": lines(second).rstrip("\n")})
    assert set(answers) == {"first.csv.out", "deep/second.csv.out"}
    assert [float(line) for line in answers["first.csv.out"].splitlines()] == pytest.approx(calculated(first))
    assert [float(line) for line in answers["deep/second.csv.out"].splitlines()] == pytest.approx(calculated(second))
    assert answers["first.csv.out"].endswith("\n")


def test_a_job_of_documents_answers_one_line_for_each(transform):
    """As SageMaker's introduction has it: JSON, SplitType Line, AssembleWith Line."""
    documents = [SHELLS, SHELLS[:1], SHELLS[1:]]
    content = "".join(json.dumps({"instances": rows}) + "\n" for rows in documents)
    answers = transform({"documents.json": content}, content_type="application/json")
    found = [json.loads(line) for line in answers["documents.json.out"].splitlines()]
    assert found == [pytest.approx(calculated(rows)) for rows in documents]


def test_a_bad_row_fails_its_file_with_a_reason_and_the_others_are_answered(transform, tmp_path):
    with pytest.raises(Refused) as caught:
        transform({"bad.csv": lines(SHELLS) + "1,2,3\n", "good.csv": lines(SHELLS)})
    first, _, log, last = caught.value.lines
    assert first.startswith("The job nightly-")
    assert first.endswith(" failed: ClientError: See job logs for more information")
    assert log.startswith("Its log: aws logs tail /aws/sagemaker/TransformJobs --log-stream-name-prefix nightly-")
    assert last.endswith("/bad.csv, of 2 files.")
    assert set(answers_in(tmp_path)) == {"good.csv.out"}


def test_an_endpoint_answers_the_models_own_sample_and_says_whose_fault_an_error_is(endpoint):
    stage = stage_of("direct", "instance")
    ask = endpoint(stage)
    assert float(ask(request_of(stage, accept="text/csv"))) == pytest.approx(calculated(SHELLS[:1])[0])
    with pytest.raises(Refused) as caught:
        ask(Request(b"1,2,3", "text/csv"))
    first, second, _ = caught.value.lines
    assert first.startswith("The container answered 400: Row 1 has 3 columns; the model takes 8")
    assert "(bad_request, request " in first
    assert second == "That is the request's fault: send another one."


def test_an_endpoint_that_was_never_made_is_said(client):
    with pytest.raises(Refused) as caught:
        invoke(Caller(client, BUCKET), stage_of("never", "instance"), Request(ROW.encode(), "text/csv"))
    assert caught.value.lines == ("There is no endpoint never in us-east-1.", "make deploy STAGE=never")


def test_an_asynchronous_endpoint_is_asked_through_s3_and_answers_there(client, endpoint):
    stage = stage_of("later", "asynchronous")
    output = {
        "S3OutputPath": places.answer_folder(stage, BUCKET).url,
        "S3FailurePath": places.failure_folder(stage, BUCKET).url,
    }
    ask = endpoint(stage, AsyncInferenceConfig={"OutputConfig": output})
    many = shells(1500)
    answer = ask(Request(lines(many).encode(), "text/csv", "text/csv"))
    assert [float(line) for line in answer.splitlines()] == pytest.approx(calculated(many))
    (put,) = client("s3").list_objects_v2(Bucket=BUCKET, Prefix=places.request_folder(stage, BUCKET).prefix)["Contents"]
    assert put["Size"] > 128_000

    assert json.loads(ask(Request(ROW.encode(), "text/csv", "application/json"))) == pytest.approx(
        calculated(SHELLS[:1])
    )

    with pytest.raises(Refused) as caught:
        ask(Request(b"1,2,3", "text/csv"))
    first, second, _ = caught.value.lines
    assert first.startswith("later has no answer: Row 1 has 3 columns; the model takes 8")
    assert second.startswith(f"The failure in full: {output['S3FailurePath']}/")
