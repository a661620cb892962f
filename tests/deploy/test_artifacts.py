"""Models in S3: each has the address of its content, and is uploaded once."""

import io
import json
import tarfile

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from builders import folder
from deploy.errors import Refused
from deploy.facts import Account, Archive
from deploy.model.archive import pack
from deploy.model.archive_check import examine
from deploy.model.artifacts import archive_of, default_bucket, ensure_bucket, name_of, planned, tls_only, upload
from deploy.progress import LARGE

ACCOUNT = Account("123456789012", "aws", "eu-west-1")
BUCKET = "sagemaker-eu-west-1-123456789012"
OWNER = {"ExpectedBucketOwner": "123456789012"}
KEYS = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}
MODEL = {"model.joblib": b"1", "samples/one_row.csv": "1"}


def client(region="eu-west-1"):
    return boto3.client("s3", region_name=region, **KEYS)


@pytest.fixture(scope="module")
def our_client():
    return client()


@pytest.fixture
def s3(our_client):
    with mock_aws():
        yield our_client


@pytest.fixture
def bucket(s3):
    """A bucket without a policy: moto takes one that refuses under a condition for one that always refuses."""
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return BUCKET


@pytest.fixture
def asked(s3):
    """What S3 is asked, call by call."""
    calls = []

    def note(params, model, **_):
        calls.append((model.name, params.copy()))

    s3.meta.events.register("provide-client-params.s3.*", note)
    yield calls
    s3.meta.events.unregister("provide-client-params.s3.*", note)


@pytest.fixture
def stubbed(our_client):
    """A client whose answers a test lays down, in order."""
    with Stubber(our_client) as stubber:
        yield our_client, stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def said():
    return []


@pytest.fixture
def model(tmp_path):
    return folder(tmp_path / "abalone", MODEL)


def refused(what, *arguments):
    with pytest.raises(Refused) as caught:
        what(*arguments)
    return caught.value.lines


def test_a_folder_is_uploaded_below_its_name_and_its_content(s3, bucket, model, tmp_path, said):
    archive = upload(s3, ACCOUNT, bucket, model, said.append)
    digest = examine(pack(model, tmp_path / "model.tar.gz")).digest
    assert archive.url == f"s3://{bucket}/models/abalone/{digest}/model.tar.gz"
    there = s3.get_object(Bucket=bucket, Key=f"models/abalone/{digest}/model.tar.gz")
    body = there["Body"].read()
    assert (archive.size, there["ContentType"]) == (len(body), "application/gzip")
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert tar.getnames() == ["samples", "model.joblib", "samples/one_row.csv"]
    assert said == [f"- uploaded the model: {archive.url}"]


def test_what_is_there_already_is_not_uploaded_again(s3, bucket, model, said, asked):
    first = upload(s3, ACCOUNT, bucket, model, said.append)
    asked.clear()
    said.clear()
    assert upload(s3, ACCOUNT, bucket, model, said.append) == first
    assert [name for name, _ in asked] == ["HeadObject"]
    assert said == [f"- the model is there already: {first.url}"]


def test_a_changed_model_has_another_address(s3, bucket, model, said):
    first = upload(s3, ACCOUNT, bucket, model, said.append)
    (model / "model.joblib").write_bytes(b"2")
    assert upload(s3, ACCOUNT, bucket, model, said.append).url != first.url


def test_an_archive_is_uploaded_as_it_is(s3, bucket, model, tmp_path, said):
    file = pack(model, tmp_path / "packed" / "abalone.tar.gz")
    assert upload(s3, ACCOUNT, bucket, file, said.append) == upload(s3, ACCOUNT, bucket, model, said.append)
    assert len(said) == 2


def test_where_a_model_would_be_is_known_before_it_is_sent(s3, bucket, model, said, asked):
    expected = planned(bucket, model, said.append)
    assert asked == []
    assert upload(s3, ACCOUNT, bucket, model, said.append) == expected


def test_a_model_that_is_not_there_is_refused(tmp_path):
    (line,) = refused(planned, "bucket", tmp_path / "nothing")
    assert line == f"There is no model {tmp_path / 'nothing'}: a model folder or an archive was expected."


def test_a_large_archive_goes_in_parts_and_says_how_far_it_is(s3, bucket, tmp_path, said, asked):
    root = folder(tmp_path / "large", {"code/inference.py": ""})
    stored = tmp_path / "large.tar.gz"
    with (root / "weights").open("wb") as file:
        file.truncate(LARGE)
    stored.write_bytes(gzip_stored(root))
    upload(s3, ACCOUNT, bucket, stored, said.append)
    assert "UploadPart" in {name for name, _ in asked}
    assert said[-2].startswith("- uploading large.tar.gz: 100 % of 100.")


def gzip_stored(root):
    """Return an archive as large as what is in it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=0) as tar:
        for path in sorted(root.rglob("*")):
            tar.add(path, path.relative_to(root), recursive=False)
    return stream.getvalue()


def test_every_call_names_the_account_that_must_own_the_bucket(s3, asked, model, said):
    ensure_bucket(s3, ACCOUNT, None, said.append)
    s3.delete_bucket_policy(Bucket=BUCKET, ExpectedBucketOwner=ACCOUNT.number)  # see `bucket`
    upload(s3, ACCOUNT, BUCKET, model, said.append)
    unguarded = [name for name, parameters in asked if parameters.get("ExpectedBucketOwner") != ACCOUNT.number]
    assert unguarded == ["CreateBucket"]
    assert {"HeadBucket", "PutBucketPolicy", "HeadObject", "PutObject"} <= {name for name, _ in asked}


def test_a_broken_archive_is_not_uploaded(s3, bucket, tmp_path, said, asked):
    broken = tmp_path / "model.tar.gz"
    broken.write_bytes(b"PK\x03\x04")
    first, second = refused(upload, s3, ACCOUNT, bucket, broken, said.append)
    assert first == f"{broken} cannot be a model's archive:"
    assert second.startswith("It is not compressed with gzip: it is a zip file.")
    assert asked == []


def test_an_upload_that_s3_denies_says_so(s3, model, said):
    (line,) = refused(upload, s3, ACCOUNT, "no-such-bucket", model, said.append)
    assert "/model.tar.gz cannot be uploaded to s3://no-such-bucket/models/abalone/" in line
    assert "The specified bucket does not exist" in line


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("models/abalone", "abalone"),
        ("abalone.tar.gz", "abalone"),
        ("abalone/model.tar.gz", "abalone"),
        ("my model.tar.gz", "my-model"),
        ("ü.tar.gz", "-"),
    ],
)
def test_a_model_is_called_like_its_folder_or_its_archive(tmp_path, path, name):
    assert name_of(tmp_path / path) == name


def test_the_default_bucket_is_made_private_encrypted_and_for_tls_only(s3, said):
    assert ensure_bucket(s3, ACCOUNT, None, said.append) == BUCKET
    assert said == [f"- made the bucket {BUCKET}"]
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] == "eu-west-1"
    assert set(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"]) == tls_only("aws", BUCKET)


def test_the_policy_refuses_what_is_sent_in_the_clear():
    (statement,) = tls_only("aws-cn", "b")["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Resource"] == ["arn:aws-cn:s3:::b", "arn:aws-cn:s3:::b/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_in_the_oldest_region_the_bucket_is_made_without_naming_it(s3, said):
    account = Account("123456789012", "aws", "us-east-1")
    there = client("us-east-1")
    assert ensure_bucket(there, account, None, said.append) == default_bucket(account)
    assert there.head_bucket(Bucket="sagemaker-us-east-1-123456789012")["BucketRegion"] == "us-east-1"


def test_a_bucket_that_is_there_is_taken_as_it_is(s3, bucket, said, asked):
    s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    asked.clear()
    assert ensure_bucket(s3, ACCOUNT, None, said.append) == BUCKET
    assert ensure_bucket(s3, ACCOUNT, "mine", said.append) == "mine"
    assert [name for name, _ in asked] == ["HeadBucket", "HeadBucket"]
    assert said == []


def test_a_bucket_that_was_named_must_be_there(s3):
    lines = refused(ensure_bucket, s3, ACCOUNT, "nobody-has-this")
    advice = "Make it, or leave `bucket` out for SageMaker's default one."
    assert lines == ("There is no bucket nobody-has-this.", advice)


def test_a_bucket_in_another_region_is_refused(s3):
    client("us-east-1").create_bucket(Bucket="elsewhere")
    (line,) = refused(ensure_bucket, s3, ACCOUNT, "elsewhere")
    assert line == (
        "The bucket elsewhere lies in us-east-1, the stage in eu-west-1: SageMaker reads models from its own Region "
        "alone."
    )


def test_somebody_elses_bucket_is_refused(stubbed):
    s3, stubber = stubbed
    stubber.add_client_error("head_bucket", "403", "Forbidden", 403, expected_params={"Bucket": BUCKET, **OWNER})
    first, second = refused(ensure_bucket, s3, ACCOUNT, None)
    assert first == f"The bucket {BUCKET} belongs to another account than 123456789012, or you may not list it."
    assert second == "Name one of yours, `bucket` in the stage's file, or ask for s3:ListBucket on it."


def test_a_bucket_that_somebody_took_in_the_meantime_is_refused(stubbed):
    s3, stubber = stubbed
    stubber.add_client_error("head_bucket", "404", "Not Found", 404)
    stubber.add_client_error("create_bucket", "BucketAlreadyExists", "Taken", 409)
    first, second = refused(ensure_bucket, s3, ACCOUNT, None)
    assert first.startswith(f"The bucket {BUCKET} belongs to another account than 123456789012, though it has")
    assert second.startswith("Somebody may be waiting for your models there.")


def test_a_bucket_that_a_colleague_made_in_the_meantime_is_taken(stubbed, said):
    s3, stubber = stubbed
    stubber.add_client_error("head_bucket", "404", "Not Found", 404)
    stubber.add_client_error("create_bucket", "BucketAlreadyOwnedByYou", "Yours.", 409)
    assert ensure_bucket(s3, ACCOUNT, None, said.append) == BUCKET
    assert said == []


def test_a_bucket_that_may_not_be_made_is_said(stubbed):
    s3, stubber = stubbed
    stubber.add_client_error("head_bucket", "404", "Not Found", 404)
    stubber.add_client_error("create_bucket", "AccessDenied", "You may not.", 403)
    assert refused(ensure_bucket, s3, ACCOUNT, None) == (f"The bucket {BUCKET} cannot be made: You may not.",)


def test_a_bucket_that_cannot_be_looked_at_is_said(stubbed):
    s3, stubber = stubbed
    stubber.add_client_error("head_bucket", "301", "Moved Permanently", 301)
    assert refused(ensure_bucket, s3, ACCOUNT, "mine") == ("The bucket mine cannot be looked at: Moved Permanently",)


def test_an_archive_in_s3_is_found_with_its_size(s3, bucket):
    s3.put_object(Bucket=bucket, Key="old/model.tar.gz", Body=b"12345")
    url = f"s3://{bucket}/old/model.tar.gz"
    assert archive_of(s3, url) == Archive(url, 5)


def test_an_archive_that_is_missing_is_refused(s3, bucket):
    url = f"s3://{bucket}/old/model.tar.gz"
    expected = (f"There is no {url}.", "Put it there: make package MODEL=… TO=s3 prints the address.")
    assert refused(archive_of, s3, url) == expected


def test_a_prefix_is_no_archive(s3, bucket):
    s3.put_object(Bucket=bucket, Key="old/model.tar.gz/part", Body=b"")
    url = f"s3://{bucket}/old/model.tar.gz"
    assert refused(archive_of, s3, url) == (f"{url} is a prefix: {url}/part lies below it. Name the archive itself.",)
    (line,) = refused(archive_of, s3, f"s3://{bucket}/old/")
    assert line == (
        f"s3://{bucket}/old/ is not a model archive: SageMaker takes one object whose name ends with .tar.gz."
    )


def test_an_archive_that_one_may_not_see_is_refused(stubbed):
    s3, stubber = stubbed
    stubber.add_client_error("head_object", "403", "Forbidden", 403)
    first, second = refused(archive_of, s3, "s3://theirs/model.tar.gz")
    assert first == "s3://theirs/model.tar.gz may not be looked at: AWS denies it."
    assert "s3:GetObject on it and s3:ListBucket on its bucket" in second


def test_what_s3_says_otherwise_is_not_hidden(stubbed):
    s3, stubber = stubbed
    stubber.add_client_error("head_object", "400", "Bad Request", 400)
    with pytest.raises(s3.exceptions.ClientError, match="Bad Request"):
        archive_of(s3, "s3://theirs/model.tar.gz")


def test_a_bucket_that_may_not_be_listed_is_said(stubbed):
    s3, stubber = stubbed
    stubber.add_client_error("head_object", "404", "Not Found", 404)
    stubber.add_client_error("list_objects_v2", "AccessDenied", "You may not.", 403)
    url = "s3://theirs/model.tar.gz"
    assert refused(archive_of, s3, url) == (f"{url}/ cannot be listed: You may not.",)
