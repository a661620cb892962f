"""A job is watched to its last answer; a failed one says why, where its log is, and what has no answer."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from builders import folder
from deploy.call.transform_job import Job, run
from deploy.errors import Refused
from deploy.progress import Clock

KEYS = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "us-east-1"}
NAME = "shells-20261120-170509"
SOURCE, TARGET = "s3://bbb/rows/", "s3://bbb/answers"
ASKED = {"TransformJobName": NAME}
LOG = (
    f"Its log: aws logs tail /aws/sagemaker/TransformJobs --log-stream-name-prefix {NAME}/ --since 1d "
    "--region us-east-1"
)
WHOSE = "ClientError: the container refused a request. AlgorithmError: it failed. One bad row fails its whole file."


@pytest.fixture(scope="module")
def clients():
    return {name: boto3.client(name, **KEYS) for name in ("sagemaker", "s3")}


@pytest.fixture
def s3(clients):
    with mock_aws():
        clients["s3"].create_bucket(Bucket="bbb")
        yield clients["s3"]


@pytest.fixture
def sagemaker(clients):
    """A client whose answers a test lays down, in order."""
    client = clients["sagemaker"]
    with Stubber(client) as stubber:
        client.stubber = stubber
        yield client
        stubber.assert_no_pending_responses()


class Time:
    """A clock that goes on when somebody sleeps; meanwhile, things happen."""

    def __init__(self, *happenings):
        self.time = datetime(2026, 11, 20, 17, 5, 9, tzinfo=UTC)
        self.happenings = iter(happenings)

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += timedelta(seconds=seconds)
        next(self.happenings, lambda: None)()


@pytest.fixture
def said():
    return []


@pytest.fixture
def job(s3, sagemaker, said):
    def job(time=None, source=SOURCE, **more):
        time = time or Time()
        request = {
            "TransformJobName": NAME,
            "ModelName": "model-1",
            "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}}},
            "TransformOutput": {"S3OutputPath": TARGET},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        }
        return Job(sagemaker, s3, request, say=said.append, clock=Clock(time.now, time.sleep), **more)

    return job


def put(s3, *keys):
    for key in keys:
        s3.put_object(Bucket="bbb", Key=key, Body=key.encode())


def begins(sagemaker, *statuses, reason=None, began=None):
    """Let SageMaker take the job, and have these statuses one after the other."""
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:transform-job/{NAME}"
    sagemaker.stubber.add_response("create_transform_job", {"TransformJobArn": arn})
    for status in statuses:
        about = {
            "TransformJobName": NAME,
            "TransformJobArn": arn,
            "TransformJobStatus": status,
            "ModelName": "model-1",
            "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": SOURCE}}},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            "CreationTime": began or datetime.now(UTC) - timedelta(seconds=1),
            **({"FailureReason": reason} if reason and status == "Failed" else {}),
        }
        sagemaker.stubber.add_response("describe_transform_job", about, ASKED)


def refusal(job):
    with pytest.raises(Refused) as caught:
        run(job)
    return caught.value.lines


def test_a_job_is_watched_to_its_end_and_the_answers_place_is_the_result(s3, sagemaker, job, said):
    put(s3, "rows/a.csv", "rows/deep/b.csv", "rows/deep/")
    begins(sagemaker, "InProgress", "InProgress", "Completed")
    time = Time(lambda: put(s3, "answers/a.csv.out"), lambda: put(s3, "answers/deep/b.csv.out"))
    assert run(job(time)) == TARGET
    assert said == [
        f"- the job {NAME} has begun, on 2 files of {SOURCE}",
        "- 0:00 InProgress, 0 of 2 files answered",
        "- 0:05 InProgress, 1 of 2 files answered",
        "- 0:10 Completed, 2 of 2 files answered",
    ]


def test_while_nothing_is_new_it_says_so_each_minute(s3, sagemaker, job, said):
    put(s3, "rows/a.csv")
    begins(sagemaker, *["InProgress"] * 25, "Completed")
    run(job(Time(*[lambda: None] * 24, lambda: put(s3, "answers/a.csv.out"))))
    assert said[1:] == [
        "- 0:00 InProgress, 0 of 1 file answered",
        "- 1:00 InProgress, 0 of 1 file answered",
        "- 2:00 InProgress, 0 of 1 file answered",
        "- 2:05 Completed, 1 of 1 file answered",
    ]


@pytest.mark.parametrize(
    ("source", "row", "answer"),
    [
        ("s3://bbb/rows/", "rows/deep/a.csv", "answers/deep/a.csv.out"),
        ("s3://bbb/rows", "rows/deep/a.csv", "answers/deep/a.csv.out"),
        ("s3://bbb/rows", "rows/deep/a.csv", "answers/rows/deep/a.csv.out"),
        ("s3://bbb/rows/part", "rows/part-1.csv", "answers/part-1.csv.out"),
        ("s3://bbb/rows/a.csv", "rows/a.csv", "answers/a.csv.out"),
    ],
)
def test_an_answer_is_found_wherever_sagemaker_puts_it(s3, sagemaker, job, said, source, row, answer):
    put(s3, row, answer)
    begins(sagemaker, "Completed")
    run(job(source=source))
    assert said[-1] == "- 0:00 Completed, 1 of 1 file answered"


def test_answers_of_an_earlier_job_do_not_count_and_are_not_fetched(s3, sagemaker, job, said, tmp_path):
    put(s3, "rows/a.csv", "answers/a.csv.out")
    begins(sagemaker, "Completed", began=datetime.now(UTC) + timedelta(seconds=10))
    assert run(job(answers=tmp_path)) == TARGET
    assert said[1:] == [
        "- 0:00 Completed, 0 of 1 file answered",
        f"- fetched 0 files into {tmp_path}",
        "- Without an answer: rows/a.csv, of 1 file.",
    ]


def test_rows_of_this_machine_are_sent_first_and_answers_fetched_last(s3, sagemaker, job, said, tmp_path):
    rows = folder(tmp_path / "rows", {"a.csv": "1", "deep/b.csv": "2", ".hidden": "3", ".git/x": "4"})
    begins(sagemaker, "InProgress", "Completed")
    time = Time(lambda: put(s3, "answers/a.csv.out", "answers/deep/b.csv.out"))
    run(job(time, rows=rows, answers=tmp_path / "answers"))
    assert s3.get_object(Bucket="bbb", Key="rows/deep/b.csv")["Body"].read() == b"2"
    assert s3.list_objects_v2(Bucket="bbb", Prefix="rows/")["KeyCount"] == 2
    assert (tmp_path / "answers" / "deep" / "b.csv.out").read_bytes() == b"answers/deep/b.csv.out"
    assert said[0] == f"- sent 2 files to {SOURCE}"
    assert said[-1] == f"- fetched 2 files into {tmp_path / 'answers'}"


def test_a_single_file_is_sent_under_its_name(s3, sagemaker, job, said, tmp_path):
    (tmp_path / "a.csv").write_text("1")
    begins(sagemaker, "Completed")
    run(job(rows=tmp_path / "a.csv"))
    assert s3.get_object(Bucket="bbb", Key="rows/a.csv")["Body"].read() == b"1"
    assert said[0] == f"- sent 1 file to {SOURCE}"


def test_a_folder_without_rows_is_refused(job, tmp_path):
    folder(tmp_path, {".hidden": "1"})
    assert refusal(job(rows=tmp_path)) == (f"There are no rows in {tmp_path}: looked for files that are not hidden.",)


def test_a_job_without_rows_is_not_begun(job):
    first, second = refusal(job())
    assert first == f"There are no rows: nothing in S3 begins with {SOURCE}."
    assert second == "Send some: ROWS=FILE-OR-FOLDER"


def test_a_bucket_that_is_not_there_is_said(job):
    expected = "s3://nobody-has-this/ cannot be listed: The specified bucket does not exist"
    assert refusal(job(source="s3://nobody-has-this/")) == (expected,)


def test_a_failed_job_says_why_and_where_its_log_is_and_what_lacks(s3, sagemaker, job, tmp_path):
    put(s3, "rows/a.csv", "rows/b.csv", "answers/a.csv.out")
    begins(sagemaker, "Failed", reason="ClientError: See job logs for more information")
    assert refusal(job(answers=tmp_path)) == (
        f"The job {NAME} failed: ClientError: See job logs for more information",
        WHOSE,
        LOG,
        "Without an answer: rows/b.csv, of 2 files.",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv.out"]


def test_a_failure_without_a_reason_says_that_too(s3, sagemaker, job):
    put(s3, "rows/a.csv", "answers/a.csv.out")
    begins(sagemaker, "Failed")
    assert refusal(job()) == (f"The job {NAME} failed: SageMaker gives no reason", WHOSE, LOG)


def test_a_job_that_somebody_stopped_says_so(s3, sagemaker, job):
    put(s3, "rows/a.csv")
    begins(sagemaker, "Stopping", "Stopped")
    assert refusal(job()) == (f"The job {NAME} was stopped.", "Without an answer: rows/a.csv, of 1 file.")


def test_an_interrupt_stops_the_job_and_goes_on(s3, sagemaker, job, said):
    put(s3, "rows/a.csv")
    begins(sagemaker, "InProgress")
    sagemaker.stubber.add_response("stop_transform_job", {}, ASKED)

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job(Time(interrupt)))
    assert said[-1] == (
        f"- stopping the job {NAME}: it would be paid for until its end. Files that it has answered stay."
    )


def test_a_request_that_sagemaker_does_not_take_is_said(s3, sagemaker, job):
    put(s3, "rows/a.csv")
    sagemaker.stubber.add_client_error("create_transform_job", "ValidationException", "No such model.", 400)
    assert refusal(job()) == (f"SageMaker does not take the job {NAME}: No such model.",)


def test_a_quota_that_is_used_up_is_said_with_what_to_do(s3, sagemaker, job):
    put(s3, "rows/a.csv")
    sagemaker.stubber.add_client_error("create_transform_job", "ResourceLimitExceeded", "The limit is 0.", 400)
    first, second = refusal(job())
    assert first == f"SageMaker does not take the job {NAME}: The limit is 0."
    assert second == "The account may not have so many ml.m5.large for transform jobs: ask for them in Service Quotas."


def test_an_answer_cannot_be_written_outside_the_folder(s3, sagemaker, job, tmp_path):
    put(s3, "rows/a.csv", "answers/../../up.out")
    begins(sagemaker, "Completed")
    (line,) = refusal(job(answers=tmp_path / "here"))
    assert line.startswith("s3://bbb/answers/../../up.out would be written to ")
    assert line.endswith(f"up.out, outside {tmp_path / 'here'}: its name has dots in it.")


def test_an_answer_that_cannot_be_written_is_said(s3, sagemaker, job, tmp_path):
    put(s3, "rows/a.csv", "answers/a.csv.out")
    begins(sagemaker, "Completed")
    (tmp_path / "a.csv.out").mkdir()
    (line,) = refusal(job(answers=tmp_path))
    assert line.startswith(f"s3://bbb/answers/a.csv.out cannot be downloaded to {tmp_path / 'a.csv.out'}: ")
