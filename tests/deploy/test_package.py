"""`make package`: a model's archive, for whoever wants to see or to send it."""

import boto3
import pytest
from moto import mock_aws

from builders import folder
from deploy.errors import Refused
from deploy.facts import Account
from deploy.model.archive_check import examine, faults
from deploy.model.package import package, send, verify

ACCOUNT = Account("123456789012", "aws", "us-east-1")


@pytest.fixture
def said():
    return []


@pytest.fixture
def model(tmp_path):
    return str(folder(tmp_path / "mine", {"model.joblib": b"1"}))


def refused(what, *arguments):
    with pytest.raises(Refused) as caught:
        what(*arguments)
    return caught.value.lines


def test_a_models_archive_lies_below_its_name(model, tmp_path, said):
    archive = package(model, None, said.append, tmp_path / "archives")
    assert archive == tmp_path / "archives" / "mine" / "model.tar.gz"
    assert faults(archive) == []
    examined = examine(archive)
    (line,) = said
    assert line.startswith(f"- {archive} is fine: ")
    assert line.endswith(f" bytes, {examined.size:,} bytes when extracted; its content is {examined.digest}")


def test_a_model_of_the_repository_is_known_by_its_name(tmp_path, said):
    assert package("abalone", None, said.append, tmp_path) == tmp_path / "abalone" / "model.tar.gz"


def test_the_file_can_be_named(model, tmp_path, said):
    assert package(model, tmp_path / "deep" / "here.tar.gz", said.append) == tmp_path / "deep" / "here.tar.gz"


def test_an_archive_is_checked_and_left_where_it_is(model, tmp_path, said):
    archive = package(model, tmp_path / "mine.tar.gz", said.append)
    assert package(str(archive), None, said.append, tmp_path / "nowhere") == archive
    assert said[0] == said[1]
    expected = (f"{archive} is an archive already: copy it, or name the model's folder.",)
    assert refused(package, str(archive), tmp_path / "other.tar.gz") == expected


def test_everything_that_is_wrong_with_an_archive_is_said(tmp_path):
    broken = tmp_path / "model.tar.gz"
    broken.write_bytes(b"PK\x03\x04")
    for check in (verify, lambda path: package(str(path))):
        first, second = refused(check, broken)
        assert first == f"{broken} cannot be a model's archive:"
        assert second.startswith("It is not compressed with gzip: it is a zip file.")


def test_what_is_not_there_is_said(tmp_path):
    nothing = tmp_path / "nothing.tar.gz"
    assert refused(verify, nothing) == (f"There is no archive {nothing}: a file was expected.",)
    assert refused(package, str(nothing))[0] == f"no model folder: looked for models/{nothing} and for {nothing}."


def test_what_is_in_s3_is_not_packed():
    lines = ("s3://b/model.tar.gz is in S3 already.", "To check it, fetch it and name the file: aws s3 cp …")
    assert refused(package, "s3://b/model.tar.gz") == lines


def test_a_model_is_sent_and_its_address_returned(model, said):
    with mock_aws():
        s3 = boto3.client("s3", "us-east-1", aws_access_key_id="nobody", aws_secret_access_key="nothing")
        s3.create_bucket(Bucket="mine")
        url = send(model, s3, ACCOUNT, "mine", said.append)
        assert url.startswith("s3://mine/models/mine/")
        assert s3.head_object(Bucket="mine", Key=url.removeprefix("s3://mine/"))["ContentLength"] > 0


def test_a_folder_is_no_file_to_write(model, tmp_path):
    assert refused(package, model, tmp_path) == (
        f"{tmp_path} is a folder: name the file to write, such as {tmp_path}/model.tar.gz.",
    )
