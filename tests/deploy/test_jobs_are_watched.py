"""A job is watched to its end; a failed one says why and where its log is."""

from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.stub import Stubber

from deploy.errors import Refused
from deploy.job import requests
from deploy.job.running import PROCESSING, TRAINING, Run, run
from deploy.progress import Clock
from sample_jobs import SITE, job_of

KEYS = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "us-east-1"}
NAMES = {"Processing": "reviews-process-20261120-170509", "Training": "reviews-train-20261120-170509"}
REQUESTS = {
    "Processing": requests.processing(job_of(), SITE, "s3://bbb/data.zip", "s3://bbb/code/"),
    "Training": requests.training(job_of(), SITE, "s3://bbb/data/", None),
}
WHOSE = "ClientError: the data, the role or the image. AlgorithmError: the program, whose log says more."
BEGAN = datetime(2026, 11, 20, 17, 5, 9, tzinfo=UTC)
KINDS = pytest.mark.parametrize("kind", [PROCESSING, TRAINING], ids=lambda kind: kind.word)


class Time:
    """A clock that goes on when somebody sleeps; meanwhile, something may happen."""

    def __init__(self, happens=lambda: None):
        self.time, self.happens = BEGAN, happens

    def sleep(self, seconds):
        self.time += timedelta(seconds=seconds)
        self.happens()

    def clock(self):
        return Clock(lambda: self.time, self.sleep)


@pytest.fixture(scope="module")
def client():
    return boto3.client("sagemaker", **KEYS)


@pytest.fixture
def sagemaker(client):
    """A client whose answers a test lays down, in order."""
    with Stubber(client) as stubber:
        client.stubber = stubber
        yield client
        stubber.assert_no_pending_responses()


@pytest.fixture
def said():
    return []


@pytest.fixture
def watch(sagemaker, said):
    def watch(kind, time=None):
        return run(Run(sagemaker, kind, REQUESTS[kind.word], said.append, (time or Time()).clock()))

    return watch


def arn(kind):
    return f"arn:aws:sagemaker:us-east-1:123456789012:{kind.word.lower()}-job/{NAMES[kind.word]}"


def begins(sagemaker, kind):
    sagemaker.stubber.add_response(f"create_{kind.word.lower()}_job", {f"{kind.word}JobArn": arn(kind)})


def looks(sagemaker, kind, status, **about):
    """Let SageMaker describe the job so."""
    name = {f"{kind.word}JobName": NAMES[kind.word]}
    known = {f"{kind.word}JobArn": arn(kind), f"{kind.word}JobStatus": status, "CreationTime": BEGAN, **name}
    request = REQUESTS[kind.word]
    if kind is TRAINING:
        known |= {
            "ModelArtifacts": {"S3ModelArtifacts": "s3://bbb/model.tar.gz"},
            "SecondaryStatus": about.pop("doing", status),
            "StoppingCondition": request["StoppingCondition"],
            "ResourceConfig": request["ResourceConfig"],
        }
    else:
        known |= {name: request[name] for name in ("ProcessingResources", "AppSpecification")}
    sagemaker.stubber.add_response(f"describe_{kind.word.lower()}_job", {**known, **about}, name)


def doing(status, message):
    return {
        "doing": status,
        "SecondaryStatusTransitions": [{"Status": status, "StartTime": BEGAN, "StatusMessage": message}],
    }


def log(kind, follow=""):
    prefix = f"--log-stream-name-prefix {NAMES[kind.word]}/"
    return f"aws logs tail /aws/sagemaker/{kind.word}Jobs {prefix} --since 1d {follow}--region us-east-1"


def refusal(watch, kind, time=None):
    with pytest.raises(Refused) as caught:
        watch(kind, time)
    return caught.value.lines


def test_training_tells_what_it_does_what_it_measured_and_what_is_billed(sagemaker, watch, said):
    begins(sagemaker, TRAINING)
    looks(sagemaker, TRAINING, "InProgress", **doing("Starting", "Launching requested ML instances"))
    looks(sagemaker, TRAINING, "InProgress", **doing("Training", "Training in progress."))
    looks(sagemaker, TRAINING, "InProgress", **doing("Training", "Training in progress."))
    metric = {"MetricName": "validation:accuracy", "Value": 0.75, "Timestamp": BEGAN}
    looks(sagemaker, TRAINING, "Completed", FinalMetricDataList=[metric], BillableTimeInSeconds=63)
    assert watch(TRAINING)["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bbb/model.tar.gz"
    assert said == [
        f"- the training job {NAMES['Training']} has begun; its log: {log(TRAINING, '--follow ')}",
        "- 0:00 InProgress, Starting: Launching requested ML instances",
        "- 0:05 InProgress, Training: Training in progress.",
        "- 0:15 Completed",
        "- validation:accuracy = 0.75",
        "- billed: 63 s of 1 x ml.m5.large",
    ]


def test_processing_tells_the_scripts_last_word(sagemaker, watch, said):
    begins(sagemaker, PROCESSING)
    looks(sagemaker, PROCESSING, "Completed", ExitMessage="10 rows")
    watch(PROCESSING)
    assert said[1:] == ["- 0:00 Completed", "- the script's last word: 10 rows"]


@KINDS
def test_while_nothing_is_new_it_says_so_each_minute(sagemaker, watch, said, kind):
    begins(sagemaker, kind)
    for _ in range(25):
        looks(sagemaker, kind, "InProgress")
    looks(sagemaker, kind, "Completed")
    watch(kind)
    assert [line[2:6] for line in said[1:]] == ["0:00", "1:00", "2:00", "2:05"]


@KINDS
def test_a_failed_job_says_why_and_where_its_log_is(sagemaker, watch, kind):
    begins(sagemaker, kind)
    looks(sagemaker, kind, "Failed", FailureReason="AlgorithmError: no data, exit code: 1")
    noun = f"The {kind.word.lower()} job {NAMES[kind.word]}"
    assert refusal(watch, kind) == (
        f"{noun} failed: AlgorithmError: no data, exit code: 1",
        WHOSE,
        f"Its log: {log(kind)}",
    )


def test_a_failure_without_a_reason_says_that_and_the_last_word(sagemaker, watch):
    begins(sagemaker, PROCESSING)
    looks(sagemaker, PROCESSING, "Failed", ExitMessage="line 3 is none")
    first, _, word, _ = refusal(watch, PROCESSING)
    assert first.endswith(" failed: SageMaker gives no reason")
    assert word == "The script's last word: line 3 is none"


@KINDS
def test_a_job_that_somebody_stopped_says_so(sagemaker, watch, kind):
    begins(sagemaker, kind)
    looks(sagemaker, kind, "Stopping")
    looks(sagemaker, kind, "Stopped")
    first, _ = refusal(watch, kind)
    assert first == f"The {kind.word.lower()} job {NAMES[kind.word]} was stopped."


def test_a_job_that_took_too_long_says_what_it_may_take(sagemaker, watch):
    begins(sagemaker, TRAINING)
    looks(sagemaker, TRAINING, "Stopped", doing="MaxRuntimeExceeded")
    first, _ = refusal(watch, TRAINING)
    assert first == f"The training job {NAMES['Training']} was stopped: it took longer than max_seconds = 600."


@KINDS
def test_an_interrupt_stops_the_job(sagemaker, watch, said, kind):
    def interrupt():
        raise KeyboardInterrupt

    begins(sagemaker, kind)
    looks(sagemaker, kind, "InProgress")
    name = {f"{kind.word}JobName": NAMES[kind.word]}
    sagemaker.stubber.add_response(f"stop_{kind.word.lower()}_job", {}, name)
    with pytest.raises(KeyboardInterrupt):
        watch(kind, Time(interrupt))
    assert said[-1] == (
        f"- stopping the {kind.word.lower()} job {NAMES[kind.word]}: it would be paid for until its end."
    )


@KINDS
def test_a_role_that_was_just_made_is_waited_for(sagemaker, watch, kind):
    for _ in range(3):
        fails(sagemaker, kind, "ValidationException", "Could not assume role arn:aws:iam::123456789012:role/x.")
    begins(sagemaker, kind)
    looks(sagemaker, kind, "Completed")
    watch(kind)


def fails(sagemaker, kind, code, message):
    sagemaker.stubber.add_client_error(f"create_{kind.word.lower()}_job", code, message)


def test_a_role_that_sagemaker_may_not_take_is_said(sagemaker, watch):
    for _ in range(6):
        fails(sagemaker, TRAINING, "ValidationException", "Could not assume role x.")
    assert refusal(watch, TRAINING) == (
        f"SageMaker does not take the training job {NAMES['Training']}: Could not assume role x.",
        "SageMaker has to be allowed to take the role: its trust policy names sagemaker.amazonaws.com.",
    )


def test_a_quota_that_is_used_up_is_said(sagemaker, watch):
    fails(sagemaker, PROCESSING, "ResourceLimitExceeded", "The account-level service limit is 0.")
    assert refusal(watch, PROCESSING) == (
        f"SageMaker does not take the processing job {NAMES['Processing']}: The account-level service limit is 0.",
        "The account may not have so many machines for processing jobs: ask for them in Service Quotas.",
    )
