"""A package is made once, watched to the end of its validation, and every status of it is reported."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError, UnauthorizedSSOTokenError
from botocore.stub import Stubber
from moto import mock_aws

from builders import folder
from deploy.errors import NoLongerWaiting, Refused
from deploy.marketplace.package import Submission, status, submit
from deploy.marketplace.request import build
from deploy.marketplace.seller import read_seller
from deploy.progress import Clock
from server import MODELS

KEYS = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "us-east-1"}
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/turkish-sentiment@sha256:" + "1" * 64
REQUEST = build(read_seller(MODELS / "turkish_sentiment"), IMAGE)
NAME = REQUEST["ModelPackageName"]
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{NAME}"
BUCKET = "sagemaker-us-east-1-123456789012"
TRANSFORM = "ValidationProfile1-Transform"


class Time:
    """A clock that goes on when somebody sleeps; in the end, the person presses Ctrl-C."""

    def __init__(self, interrupt_after: int | None = None):
        self.time = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
        self.left = interrupt_after

    def sleep(self, seconds):
        self.time += timedelta(seconds=seconds)
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt

    @property
    def clock(self):
        return Clock(lambda: self.time, self.sleep)


@pytest.fixture
def s3():
    with mock_aws():
        client = boto3.client("s3", **KEYS)
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture
def sagemaker():
    """A client whose answers a test lays down, in order."""
    client = boto3.client("sagemaker", **KEYS)
    with Stubber(client) as stubber:
        client.stubber = stubber
        yield client
        stubber.assert_no_pending_responses()


@pytest.fixture
def sample(tmp_path):
    return folder(tmp_path / "batch", {"reviews.jsonl": "{}\n{}\n"})


@pytest.fixture
def submission(sagemaker, s3, sample):
    def submission(time=None):
        return Submission(sagemaker, s3, REQUEST, sample, said.append, (time or Time()).clock)

    said: list[str] = []
    submission.said = said
    return submission


def described(package="Completed", transform="Completed", reason=None, scan="Completed"):
    tried = {"Name": TRANSFORM, "Status": transform, **({"FailureReason": reason} if reason else {})}
    return {
        "ModelPackageName": NAME,
        "ModelPackageArn": ARN,
        "CreationTime": datetime(2026, 11, 21, tzinfo=UTC),
        "ModelPackageStatus": package,
        "ModelPackageStatusDetails": {
            "ValidationStatuses": [tried],
            "ImageScanStatuses": [{"Name": "image", "Status": scan}],
        },
    }


def absent(stubber):
    stubber.add_client_error("describe_model_package", "ValidationException", f"ModelPackage {ARN} does not exist.")


def created(stubber):
    absent(stubber)
    stubber.add_response("create_model_package", {"ModelPackageArn": ARN}, REQUEST)


def shown(stubber, *descriptions):
    for one in descriptions:
        stubber.add_response("describe_model_package", one, {"ModelPackageName": NAME})


def test_the_sample_is_sent_the_package_made_and_each_change_said(sagemaker, s3, submission):
    created(sagemaker.stubber)
    early, later = described("Pending", "NotStarted"), described("InProgress", "InProgress")
    shown(sagemaker.stubber, early, *[later] * 62, described())
    assert submit(submission()).splitlines() == [
        ARN,
        f"The package {NAME} is Completed.",
        f"validation {TRANSFORM}: Completed",
        "scan of the image image: Completed",
    ]
    (sent,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert sent["Key"] == "marketplace/turkish-sentiment/input/reviews.jsonl"
    progress = (
        f"The package {NAME} is InProgress.; validation {TRANSFORM}: InProgress; scan of the image image: Completed"
    )
    first, begun, pending, *rest = submission.said
    assert first == f"- sent the sample to s3://{BUCKET}/marketplace/turkish-sentiment/input/"
    assert begun == f"- the validation of {NAME} has begun; AWS takes hours for it. Ctrl-C stops the waiting"
    assert pending.startswith(f"- 0:00 The package {NAME} is Pending.; ")
    # Said at once when it changed, again after five minutes without news, and at the end.
    assert rest[:2] == [f"- 0:05 {progress}", f"- 5:05 {progress}"]
    assert rest[2].startswith(f"- 5:15 The package {NAME} is Completed.; ")


def test_a_failed_validation_says_every_status_and_what_to_do(sagemaker, submission):
    created(sagemaker.stubber)
    shown(
        sagemaker.stubber, described("Failed", "Failed", "ClientError: See job logs for more information", "NotStarted")
    )
    with pytest.raises(Refused) as caught:
        submit(submission())
    assert caught.value.lines == (
        f"The package {NAME} is Failed.",
        f"validation {TRANSFORM}: Failed: ClientError: See job logs for more information",
        "scan of the image image: NotStarted",
        "The log of its transform job: aws logs tail /aws/sagemaker/TransformJobs --since 1d",
        f"Mend it, and: aws sagemaker delete-model-package --model-package-name {NAME}",
    )


def test_the_same_request_again_is_the_package_that_is_there(sagemaker, s3, submission):
    shown(sagemaker.stubber, described(), described())
    assert submit(submission()).startswith(f"{ARN}\n")
    assert submission.said[0] == f"- the package {NAME} is there already: the same request was made before"
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)


def test_one_that_has_failed_before_has_to_go_first(sagemaker, submission):
    shown(sagemaker.stubber, described("Failed", "Failed", "AlgorithmError"))
    with pytest.raises(Refused) as caught:
        submit(submission())
    assert caught.value.lines[-2:] == (
        "It has failed before, and keeps its name until it goes:",
        f"aws sagemaker delete-model-package --model-package-name {NAME}",
    )


def test_ctrl_c_stops_the_waiting_and_not_the_validation(sagemaker, submission):
    created(sagemaker.stubber)
    shown(sagemaker.stubber, *[described("InProgress", "InProgress")] * 3)
    with pytest.raises(NoLongerWaiting) as caught:
        submit(submission(Time(interrupt_after=2)))
    assert caught.value.lines == (
        f"No longer waiting; AWS goes on with the validation of {NAME}.",
        f"How it is: python -m deploy marketplace status {NAME}",
    )


@pytest.mark.parametrize(
    ("code", "words", "lines"),
    [
        (
            "ExpiredTokenException",
            "The security token in the request is expired",
            (
                "The credentials have expired. DescribeModelPackage: The security token in the request is expired",
                "Get new ones, for example: aws sso login",
            ),
        ),
        ("InternalFailure", "Oh.", ("AWS refused (InternalFailure). DescribeModelPackage: Oh.",)),
    ],
)
def test_what_ends_the_waiting_is_no_failure_of_the_package(sagemaker, submission, code, words, lines):
    created(sagemaker.stubber)
    shown(sagemaker.stubber, described("InProgress", "InProgress"))
    sagemaker.stubber.add_client_error("describe_model_package", code, words)
    with pytest.raises(NoLongerWaiting) as caught:
        submit(submission())
    assert caught.value.lines == (
        *lines,
        f"No longer waiting; AWS goes on with the validation of {NAME}.",
        f"How it is: python -m deploy marketplace status {NAME}",
    )


class SignedOut:
    """A client whose sign-in expires after the first question, which botocore sees without asking."""

    asked = 0

    def describe_model_package(self, **_):
        self.asked += 1
        if self.asked > 1:
            raise UnauthorizedSSOTokenError
        return described("InProgress", "InProgress")


def test_a_sign_in_that_expires_is_no_failure_of_the_package_either(s3, sample):
    with pytest.raises(NoLongerWaiting) as caught:
        submit(Submission(SignedOut(), s3, REQUEST, sample, lambda _: None, Time().clock))
    first, second, _ = caught.value.lines
    assert first.startswith("AWS could not be asked: The SSO session associated with this profile has expired")
    assert second == f"No longer waiting; AWS goes on with the validation of {NAME}."


def test_a_package_that_somebody_deletes_meanwhile_is_not_said_to_go_on(sagemaker, submission):
    created(sagemaker.stubber)
    shown(sagemaker.stubber, described("InProgress", "InProgress"))
    absent(sagemaker.stubber)
    with pytest.raises(ClientError, match="does not exist"):
        submit(submission())


def test_throttling_is_no_reason_to_give_up(sagemaker, submission):
    created(sagemaker.stubber)
    sagemaker.stubber.add_client_error("describe_model_package", "ThrottlingException", "Rate exceeded")
    shown(sagemaker.stubber, described())
    assert submit(submission()).startswith(f"{ARN}\n")


def test_what_sagemaker_does_not_take_is_said_in_its_words(sagemaker, submission):
    absent(sagemaker.stubber)
    sagemaker.stubber.add_client_error("create_model_package", "ValidationException", "Could not assume role.")
    with pytest.raises(Refused, match=f"SageMaker does not take the package {NAME}: Could not assume role."):
        submit(submission())


def test_what_an_earlier_try_has_left_beside_the_sample_is_refused(sagemaker, s3, submission):
    """It would be a request of the validation, and fail it."""
    place = "marketplace/turkish-sentiment/input/"
    for key in ("old one.jsonl", "deep/older.jsonl", "reviews.jsonl"):
        s3.put_object(Bucket=BUCKET, Key=place + key, Body=b"old")
    absent(sagemaker.stubber)
    with pytest.raises(Refused) as caught:
        submit(submission())
    url = f"s3://{BUCKET}/{place}"
    assert caught.value.lines == (
        f"What lies in {url} from an earlier try is no sample any more, and validation would send it to the model:",
        f"aws s3 rm {url}deep/older.jsonl",
        f"aws s3 rm '{url}old one.jsonl'",
    )
    assert s3.get_object(Bucket=BUCKET, Key=place + "reviews.jsonl")["Body"].read() == b"old"


def test_only_the_files_that_were_checked_are_sent(sagemaker, s3, submission, sample):
    folder(sample, {".ipynb_checkpoints/reviews-checkpoint.jsonl": "{"})
    created(sagemaker.stubber)
    shown(sagemaker.stubber, described())
    submit(submission())
    (sent,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert sent["Key"] == "marketplace/turkish-sentiment/input/reviews.jsonl"


def test_a_sample_of_nothing_is_refused(sagemaker, submission, sample):
    (sample / "reviews.jsonl").unlink()
    absent(sagemaker.stubber)
    with pytest.raises(Refused, match=r"There is no sample in .*batch: validation needs at least one file\."):
        submit(submission())


def test_the_status_of_a_package_says_whether_it_can_be_listed(sagemaker):
    bare = {**described(), "ModelPackageStatusDetails": {"ValidationStatuses": []}}
    shown(sagemaker.stubber, described(), described("Failed"), bare)
    assert [status(sagemaker, NAME)[1] for _ in range(2)] == [True, False]
    text, _ = status(sagemaker, NAME)
    assert text.endswith("No validation is reported, and without one it cannot be listed.")
    absent(sagemaker.stubber)
    with pytest.raises(Refused, match=f"There is no package {NAME} to be seen: ModelPackage {ARN} does not exist."):
        status(sagemaker, NAME)
