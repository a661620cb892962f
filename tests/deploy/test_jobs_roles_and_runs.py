"""A job may do what it needs and nothing else; its runs are listed; and what stays of them is said."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from deploy.errors import Refused
from deploy.job import history
from deploy.job.role import JobStack, permissions, require_ours, template
from deploy.job.running import PROCESSING, TRAINING
from deploy.stack.policies import trust
from sample_jobs import ACCOUNT, BUCKET, FACTS, KEY, job_of

CFN_LINT = Path(sys.executable).with_name("cfn-lint")
KEYS = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "us-east-1"}
LOGS = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/sagemaker/"
BEGAN = datetime(2026, 11, 20, 17, 5, 9, tzinfo=UTC)
PROCESSED, TRAINED = "reviews-process-20261120-170509", "reviews-train-20261120-171000"


def statements(**settings):
    return {one["Sid"]: one for one in permissions(job_of(**settings), FACTS)["Statement"]}


def test_a_job_may_do_what_it_needs_and_no_more():
    may = {sid: (one["Action"], one["Resource"]) for sid, one in statements().items()}
    own = f"arn:aws:s3:::{BUCKET}/jobs/reviews"
    assert may == {
        "LogInToEcr": (["ecr:GetAuthorizationToken"], ["*"]),
        "PullImages": (
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            ["arn:aws:ecr:eu-west-1:123456789012:repository/byoc"],
        ),
        "ReadData": (["s3:GetObject"], [f"{own}/*"]),
        "ListData0": (["s3:ListBucket"], [f"arn:aws:s3:::{BUCKET}"]),
        "WriteResults": (["s3:PutObject", "s3:AbortMultipartUpload"], [f"{own}/processed/*", f"{own}/trained/*"]),
        "WriteLogs": (
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [f"{LOGS}{name}{rest}" for name in ("ProcessingJobs", "TrainingJobs") for rest in ("", ":*")],
        ),
        "WriteMetrics": (["cloudwatch:PutMetricData"], ["*"]),
    }
    assert statements()["ListData0"]["Condition"] == {"StringLike": {"s3:prefix": ["jobs/reviews/*"]}}


def test_what_the_file_names_may_be_read_too_and_not_written():
    may = statements(reads=["s3://data/reviews/", "s3://whole"])
    assert may["ReadData"]["Resource"][1:] == ["arn:aws:s3:::data/reviews/*", "arn:aws:s3:::whole/*"]
    lists = [(may[sid]["Resource"], may[sid]["Condition"]["StringLike"]) for sid in ("ListData1", "ListData2")]
    assert lists == [
        (["arn:aws:s3:::data"], {"s3:prefix": ["reviews/*"]}),
        (["arn:aws:s3:::whole"], {"s3:prefix": ["*"]}),
    ]
    assert not any("data" in one for one in may["WriteResults"]["Resource"])


def test_a_key_may_be_used_for_what_is_read_and_written_and_for_volumes():
    may = statements(key=KEY)
    assert (may["UseKey"]["Action"], may["UseKey"]["Resource"]) == (
        ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"],
        [KEY],
    )
    assert may["EncryptVolumes"]["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def test_no_action_is_a_pattern_and_the_role_is_sagemakers_for_this_account_alone():
    for one in statements(key=KEY, reads=["s3://data"]).values():
        assert not [action for action in one["Action"] if "*" in action]
        assert one["Resource"] != ["*"] or one["Action"] in (
            ["ecr:GetAuthorizationToken"],
            ["cloudwatch:PutMetricData"],
        )
    role = template(job_of(), FACTS)["Resources"]["Role"]["Properties"]
    assert role["AssumeRolePolicyDocument"] == trust(ACCOUNT)
    assert {"Key": "cost-note", "Value": "free of charge"} in role["Tags"]


def test_cfn_lint_finds_nothing_in_the_roles_template(tmp_path):
    text = json.dumps(template(job_of(key=KEY, reads=["s3://data"]), FACTS))
    (tmp_path / "job.json").write_text(text)
    done = subprocess.run(
        [CFN_LINT, "--regions", "eu-west-1", "--", tmp_path / "job.json"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_somebody_elses_stack_is_left_alone():
    with mock_aws():
        client = boto3.client("cloudformation", **KEYS)
        body = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
        client.create_stack(StackName="byocjob-reviews", TemplateBody=body)
        with pytest.raises(Refused) as caught:
            require_ours(job_of(), JobStack(client, "reviews"))
    assert caught.value.lines == (
        "There is a stack byocjob-reviews that was not made by `python -m deploy`: it has no such tag managed-by.",
        "Nothing is done to it. Give the job reviews another name.",
    )


def test_the_stacks_own_refusals_name_the_jobs_verbs():
    client = boto3.client("cloudformation", **KEYS)
    refusals = JobStack(client, "reviews")._refusals
    assert refusals.gone().lines[1] == "make train_job JOB=reviews"
    assert refusals.half_removed().lines[1].endswith(": make destroy JOB=reviews")


@pytest.fixture(scope="module")
def client():
    return boto3.client("sagemaker", **KEYS)


@pytest.fixture
def sagemaker(client):
    with Stubber(client) as stubber:
        client.stubber = stubber
        yield client
        stubber.assert_no_pending_responses()


def lists(sagemaker, kind, *runs):
    """Let SageMaker have these runs, each a name and a status."""
    entries = [
        {
            f"{kind.word}JobName": name,
            f"{kind.word}JobArn": "arn:aws:sagemaker:us-east-1:123456789012:x/y",
            f"{kind.word}JobStatus": status,
            "CreationTime": BEGAN,
            **({} if status in {"InProgress", "Stopping"} else {f"{kind.word}EndTime": BEGAN + timedelta(seconds=123)}),
        }
        for name, status in runs
    ]
    sagemaker.stubber.add_response(f"list_{kind.word.lower()}_jobs", {f"{kind.word}JobSummaries": entries})


def test_the_latest_runs_are_listed_with_their_logs_and_what_they_cost(sagemaker):
    others = [("more-reviews-process-20261120-170509", "Failed")]  # another job's: a part of its name is ours
    lists(sagemaker, PROCESSING, *others, (PROCESSED, "Completed"))
    lists(sagemaker, TRAINING, (TRAINED, "InProgress"))
    text, exit_code = history.report(job_of(), sagemaker)
    tail = "aws logs tail /aws/sagemaker/{} --log-stream-name-prefix {}/ --since 1d --follow --region us-east-1"
    assert text.splitlines() == [
        "processing: the latest runs; 1 x ml.m5.large billed while the job runs",
        f"  {PROCESSED} Completed after 2:03",
        f"  the log of the first: {tail.format('ProcessingJobs', PROCESSED)}",
        "training: the latest runs; 1 x ml.m5.large billed while the job runs",
        f"  {TRAINED} InProgress",
        f"  the log of the first: {tail.format('TrainingJobs', TRAINED)}",
    ]
    assert exit_code == 0


def test_the_exit_status_says_whether_the_latest_run_has_failed(sagemaker):
    lists(sagemaker, PROCESSING)
    lists(sagemaker, TRAINING, (TRAINED, "Failed"))
    text, exit_code = history.report(job_of(), sagemaker)
    assert text.startswith("processing: no runs; 1 x ml.m5.large billed while the job runs\ntraining: ")
    assert exit_code == 1


@pytest.mark.parametrize("status", ["InProgress", "Stopping"])  # what is stopping saves what it has
def test_a_role_that_is_in_use_is_not_removed(sagemaker, status):
    lists(sagemaker, PROCESSING)
    lists(sagemaker, PROCESSING)
    lists(sagemaker, TRAINING, *([(TRAINED, status)] if status == "InProgress" else []))
    lists(sagemaker, TRAINING, *([(TRAINED, status)] if status == "Stopping" else []))
    with pytest.raises(Refused) as caught:
        history.require_none_underway(job_of(), sagemaker)
    assert caught.value.lines == (
        f"reviews has a training job that runs, and would lose its role: {TRAINED}.",
        f"Wait, or stop it: aws sagemaker stop-training-job --training-job-name {TRAINED} --region us-east-1",
    )


def test_what_stays_is_said_with_the_command_that_removes_it():
    logs = "/aws/sagemaker/ProcessingJobs, /aws/sagemaker/TrainingJobs"
    with mock_aws():
        s3 = boto3.client("s3", **KEYS)
        s3.create_bucket(Bucket=BUCKET)
        assert history.what_stays(job_of(), BUCKET, lambda _: s3, there_was_one=False) == (
            f"reviews has no role of its own. Nothing stays but the logs, in groups of the whole account: {logs}."
        )
        for key in ("jobs/reviews/a", "jobs/reviews/b", "jobs/reviews-2/c"):
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"12345")
        place = f"s3://{BUCKET}/jobs/reviews/"
        assert history.what_stays(job_of(), BUCKET, lambda _: s3, there_was_one=True).splitlines() == [
            "The role of reviews is gone. What stays on purpose, and the command that removes it:",
            f"- data, programs and models of reviews, in {place}: 2 objects, 10 bytes, billed by size and month",
            f"    aws s3 rm --recursive {place}",
            f"Logs: {logs}.",
        ]


def test_what_cannot_be_looked_at_is_said_and_raises_nothing():
    """By now the role is gone, and there is nothing to go back to."""
    with mock_aws():
        s3 = boto3.client("s3", **KEYS)
        place = "s3://never-made/jobs/reviews/"
        why = f"{place} cannot be listed: The specified bucket does not exist"
        assert history.what_stays(job_of(), "never-made", lambda _: s3, there_was_one=True).splitlines() == [
            "The role of reviews is gone.",
            f"- perhaps something in {place}, which cannot be looked at: {why}",
        ]
