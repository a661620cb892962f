"""What the notebook's functions do where AWS is slow, or says no; the whole runs in tests/aws/test_marketplace.py."""

import ast
import contextlib
import json
from contextlib import ExitStack
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from server import MODELS

NOTEBOOK = MODELS / "turkish_sentiment" / "marketplace" / "buyer.ipynb"
ACCOUNT = "123456789012"
KEYS = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "eu-west-1"}
ASSUMED = f"arn:aws:sts::{ACCOUNT}:assumed-role"


def codes() -> list[str]:
    """Return the code of the notebook's cells."""
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def function(wanted: str, /, **known: Any) -> Any:
    """Return a function of the notebook that knows nothing but what is given."""
    nodes = [node for code in codes() for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]
    (found,) = [node for node in nodes if node.name == wanted]
    exec(compile(ast.Module([found], []), NOTEBOOK.name, "exec"), known)
    return known[wanted]


class SageMaker:
    """An endpoint and a job, whose statuses a test lays down, in order."""

    exceptions = SimpleNamespace(ClientError=ClientError)

    def __init__(self, *statuses: str, for_ever: str = ""):
        self.statuses = chain(statuses, repeat(for_ever))
        self.asked: list[str] = []

    def describe_endpoint(self, **_: str) -> dict[str, str]:
        return {"EndpointStatus": next(self.statuses)}

    def describe_transform_job(self, **_: str) -> dict[str, str]:
        return {"TransformJobStatus": next(self.statuses)}

    def delete_endpoint(self, **about: str) -> None:
        self.asked.append(about["EndpointName"])

    def stop_transform_job(self, **about: str) -> None:
        self.asked.append(about["TransformJobName"])


class JustEnded(SageMaker):
    def stop_transform_job(self, **about: str) -> None:
        super().stop_transform_job(**about)
        raise ClientError({"Error": {"Code": "ValidationException", "Message": "Completed"}}, "StopTransformJob")


def run(name: str, sagemaker: SageMaker) -> float:
    """Run one of the functions; return how many seconds it slept."""
    slept: list[float] = []
    time = SimpleNamespace(sleep=slept.append)
    function(name, sagemaker=sagemaker, name="x", time=time, contextlib=contextlib)()
    return sum(slept)


def test_an_endpoint_is_deleted_once_it_changes_no_more(capsys):
    sagemaker = SageMaker("Creating", "Creating", "RollingBack", "SystemUpdating", "Updating", "Failed")
    assert run("delete_endpoint", sagemaker) == 15
    assert sagemaker.asked == ["x"]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "The endpoint is Creating and can be deleted when that has ended. Do not interrupt."
    assert len(said) == 4


def test_an_endpoint_that_changes_for_ever_is_tried_after_an_hour():
    sagemaker = SageMaker(for_ever="Creating")
    assert run("delete_endpoint", sagemaker) == 3600
    assert sagemaker.asked == ["x"]


def test_a_job_is_stopped_and_waited_for():
    sagemaker = SageMaker("InProgress", "Stopping", "Stopping", "Stopped")
    assert run("stop_job", sagemaker) == 9
    assert sagemaker.asked == ["x"]


@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped"])
def test_a_job_that_has_ended_is_left_as_it_is(status):
    sagemaker = SageMaker(status)
    assert run("stop_job", sagemaker) == 0
    assert sagemaker.asked == []


def test_a_job_may_end_just_before_it_is_stopped():
    sagemaker = JustEnded("InProgress", "Completed")
    run("stop_job", sagemaker)
    assert sagemaker.asked == ["x"]


def test_a_job_that_does_not_stop_is_waited_for_an_hour_at_most():
    assert run("stop_job", SageMaker(for_ever="InProgress")) == 3600


@pytest.fixture
def s3():
    client = boto3.client("s3", **KEYS)
    with Stubber(client) as stubber:
        client.stubber = stubber
        yield client
        stubber.assert_no_pending_responses()


LOOKED = {"Bucket": "mine", "ExpectedBucketOwner": ACCOUNT}
PLACE = {"LocationConstraint": "eu-west-1"}


def ensure_bucket(s3: Any) -> ExitStack:
    """Ensure the bucket; return what is to be deleted."""
    made = ExitStack()
    session = SimpleNamespace(region_name="eu-west-1")
    function("ensure_bucket", s3=s3, bucket="mine", identity={"Account": ACCOUNT}, session=session, made=made)()
    return made


def refuse(s3: Any, status: int) -> None:
    s3.stubber.add_client_error("head_bucket", str(status), "", expected_params=LOOKED, http_status_code=status)


def test_a_bucket_of_ones_own_stays(s3):
    s3.stubber.add_response("head_bucket", {}, LOOKED)
    ensure_bucket(s3).close()


def test_a_bucket_that_is_not_there_is_made_and_deleted_in_the_end(s3):
    refuse(s3, 404)
    s3.stubber.add_response("create_bucket", {}, {"Bucket": "mine", "CreateBucketConfiguration": PLACE})
    made = ensure_bucket(s3)
    s3.stubber.add_response("delete_bucket", {}, {"Bucket": "mine"})
    made.close()


def test_a_bucket_that_is_somebody_elses_is_refused_and_nothing_is_made(s3):
    refuse(s3, 403)
    with pytest.raises(
        AssertionError, match=r"^mine is not yours, or you may not look at it \(403\): put another into BUCKET\.$"
    ):
        ensure_bucket(s3)


def own_role(arn: str) -> str:
    """Return the role that somebody has, where IAM has all roles under a path."""

    def get_role(**asked: str) -> dict[str, Any]:
        return {"Role": {"Arn": f"arn:aws:iam::{ACCOUNT}:role/service-role/{asked['RoleName']}"}}

    session = SimpleNamespace(client=lambda _: SimpleNamespace(get_role=get_role))
    return str(function("own_role", identity={"Arn": arn}, session=session)())


def test_in_a_notebook_of_sagemaker_its_own_role_is_taken():
    assert own_role(f"{ASSUMED}/Notebooks/SageMaker") == f"arn:aws:iam::{ACCOUNT}:role/service-role/Notebooks"


@pytest.mark.parametrize(
    "arn", [f"{ASSUMED}/AWSReservedSSO_Admin/me", f"arn:aws:iam::{ACCOUNT}:user/me", f"{ASSUMED}/Admin/NoSageMaker"]
)
def test_anybody_elses_role_is_none_for_sagemaker(arn):
    with pytest.raises(AssertionError) as caught:
        own_role(arn)
    assert str(caught.value) == f"You are {arn}, and no SageMaker notebook: put the ARN of a role into SAGEMAKER_ROLE."


class Left:
    """An account with endpoints whose statuses are these."""

    def __init__(self, *statuses: str):
        self.statuses = statuses

    def list_endpoints(self, **asked: str) -> dict[str, Any]:
        return {"Endpoints": [{"EndpointName": asked["NameContains"], "EndpointStatus": one} for one in self.statuses]}


def last_cell(sagemaker: Left) -> None:
    exec(codes()[-1], {"sagemaker": sagemaker, "name": "x", "made": ExitStack()})


def test_the_last_cell_does_not_say_deleted_of_an_endpoint_that_is_there(capsys):
    with pytest.raises(AssertionError) as caught:
        last_cell(Left("Deleting", "InService"))
    assert str(caught.value) == (
        "The endpoint is InService, and costs: aws sagemaker delete-endpoint --endpoint-name x"
    )
    last_cell(Left("Deleting"))
    assert capsys.readouterr().out == "deleted\n"
