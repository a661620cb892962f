"""Data and programs go to S3 once; what is missing, or may not be read, is said before a job begins."""

import boto3
import pytest
from moto import mock_aws

from builders import folder
from deploy.errors import Refused
from deploy.job.sending import Sender, digest_of
from sample_jobs import ACCOUNT, BUCKET, ROLE, job_of

KEYS = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def client():
    return boto3.client("s3", **KEYS)


@pytest.fixture
def s3(client):
    with mock_aws():
        for bucket in (BUCKET, "elsewhere"):
            client.create_bucket(Bucket=bucket)
        yield client


@pytest.fixture
def said():
    return []


@pytest.fixture
def sender(s3, said):
    def sender(*, dry=False, **settings):
        return Sender(job_of(**settings), s3, BUCKET, ACCOUNT.number, dry, said.append)

    return sender


def keys(s3, bucket=BUCKET):
    return [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def refused(what, *arguments):
    with pytest.raises(Refused) as caught:
        what(*arguments)
    return caught.value.lines


def test_a_data_set_is_sent_once_and_named_by_what_is_in_it(s3, sender, said, tmp_path):
    path = folder(tmp_path, {"reviews.zip": "1"}) / "reviews.zip"
    url = sender().data_set(str(path))
    place = f"jobs/reviews/sent/{digest_of(tmp_path, [path])}/"
    assert url == f"s3://{BUCKET}/{place}reviews.zip"
    assert keys(s3) == [f"{place}reviews.zip"]
    assert sender().data_set(str(path)) == url
    assert said == [
        f"- sent reviews.zip, 1 file: s3://{BUCKET}/{place}",
        f"- reviews.zip is there already: s3://{BUCKET}/{place}",
    ]
    path.write_text("2")
    assert sender().data_set(str(path)) != url


def test_the_file_may_name_the_data_and_the_command_line_wins(sender, tmp_path):
    files = folder(tmp_path, {"a.zip": "1", "b.zip": "2"})
    one = sender(process={"data": str(files / "a.zip")})
    assert one.data_set(None).endswith("/a.zip")
    assert one.data_set(str(files / "b.zip")).endswith("/b.zip")


def test_channels_are_sent_as_they_lie_but_for_what_is_hidden(s3, sender, said, tmp_path):
    files = {"train/a.txt": "1", "train/deep/b.txt": "2", "validation/c.txt": "3", ".git/d": "4"}
    url = sender().channels(str(folder(tmp_path, {**files, "train/__pycache__/e.pyc": "5"})))
    sent = [f"s3://{BUCKET}/{key}".removeprefix(url) for key in keys(s3)]
    assert sent == ["train/a.txt", "train/deep/b.txt", "validation/c.txt"]
    assert said == [f"- sent {tmp_path.name}, 3 files: {url}"]


def test_in_a_dry_run_nothing_is_sent(s3, sender, said, tmp_path):
    path = folder(tmp_path, {"reviews.zip": "1"}) / "reviews.zip"
    assert sender(dry=True).data_set(str(path)) == sender().data_set(str(path))
    assert len(said) == 1


def test_what_is_in_s3_stays_there(s3, sender):
    s3.put_object(Bucket=BUCKET, Key="jobs/reviews/reviews.zip")
    s3.put_object(Bucket="elsewhere", Key="data/reviews.zip")
    assert sender().data_set(f"s3://{BUCKET}/jobs/reviews/reviews.zip") == f"s3://{BUCKET}/jobs/reviews/reviews.zip"
    for settings in ({"reads": ["s3://elsewhere/data/"]}, {"reads": ["s3://elsewhere"]}, {"role": ROLE}):
        assert sender(**settings).data_set("s3://elsewhere/data/reviews.zip") == "s3://elsewhere/data/reviews.zip"


def test_what_the_jobs_role_may_not_read_is_said_with_the_line_that_lets_it(sender):
    for place in ("s3://elsewhere/data", f"s3://{BUCKET}/jobs/reviews-of-others"):
        assert refused(sender().data_set, f"{place}/reviews.zip") == (
            f"{place}/reviews.zip is outside of what the job's role may read: s3://{BUCKET}/jobs/reviews/.",
            f'Add it in deploy/jobs/reviews.toml: reads = ["{place}"]',
        )


def test_what_the_role_may_read_is_a_folder_for_training_and_where_the_object_lies_for_processing(s3, sender):
    for channel in ("train", "validation"):
        s3.put_object(Bucket="elsewhere", Key=f"data/{channel}/a.txt")
    assert sender(reads=["s3://elsewhere/data"]).channels("s3://elsewhere/data") == "s3://elsewhere/data/"
    for given, line in (("s3://elsewhere/data", "s3://elsewhere/data"), ("s3://elsewhere", "s3://elsewhere")):
        assert refused(sender().channels, given)[1].endswith(f'reads = ["{line}"]')


def test_a_data_set_that_would_be_taken_for_an_option_is_refused(sender):
    assert refused(sender(role=ROLE).data_set, "s3://elsewhere/-x.json") == (
        "s3://elsewhere/-x.json begins with a hyphen, which a program takes for an option: rename it.",
    )


def test_channels_in_s3_are_looked_at(s3, sender):
    url = f"s3://{BUCKET}/jobs/reviews/processed/run"
    for name in ("train/a.txt", "validation/b.txt", "validation-old/c.txt"):
        s3.put_object(Bucket=BUCKET, Key=f"jobs/reviews/processed/run/{name}")
    assert sender().channels(url) == sender().channels(f"{url}/") == f"{url}/"
    assert refused(sender(train={"channels": ["train", "test"]}).channels, url) == (
        f"{url}/ has no data for the channel test: looked below {url}/test/.",
        "A processing job makes it: make process_job JOB=reviews; or change train.channels.",
    )


def test_channels_of_this_machine_are_looked_at(sender, tmp_path):
    folder(tmp_path, {"train/a.txt": "1", "validation/.hidden": "2"})
    (first, _) = refused(sender().channels, str(tmp_path))
    assert first == f"{tmp_path} has no data for the channel validation: looked below {tmp_path}/validation/."


def test_no_data_is_said(sender):
    for what, table in ((sender().data_set, "process"), (sender().channels, "train")):
        (line,) = refused(what, None)
        assert line == (
            f"No data was named: DATA=… is a path or an address in S3; or {table}.data in deploy/jobs/reviews.toml."
        )


def test_a_data_set_that_is_not_there_or_none_is_said(sender, tmp_path):
    nothing = f"{tmp_path}/nothing.zip"
    assert refused(sender().data_set, nothing) == (
        f"There is no data set {nothing}: a file or an address in S3 was expected.",
    )
    assert refused(sender().data_set, str(tmp_path)) == (
        f"{tmp_path} is a folder: a processing job takes one file, and is told its name.",
    )
    url = f"s3://{BUCKET}/jobs/reviews/nothing.zip"
    assert refused(sender().data_set, url) == (
        f"There is no object {url}: a processing job takes one, and is told its name.",
    )


def test_a_program_that_is_not_there_is_said(sender, tmp_path):
    script = sender(model=str(tmp_path)).job.script
    assert refused(sender().send, script) == (f"There is no {script}: a file or a folder was expected.",)
    assert refused(sender().send, tmp_path) == (f"{tmp_path} is empty: looked for files that are not hidden.",)
