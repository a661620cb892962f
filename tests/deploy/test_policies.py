"""A stage's role may do what the stage needs, to what it needs, and nothing else."""

import json

import pytest

from deploy.call.transform import input_of
from deploy.facts import Account, Archive, Facts
from deploy.s3 import split
from deploy.stack.policies import permissions, trust
from sample_stages import ACCOUNT, BUCKET, CHINA, KEY, OPTIONS, facts_of, stage_of

TOPIC = "arn:aws:sns:eu-west-1:123456789012:topic"
# AWS has nothing narrower for these: a login is to all of ECR, a metric has no ARN, and neither have descriptions.
CANNOT_BE_NARROWED = {
    "ecr:GetAuthorizationToken",
    "cloudwatch:PutMetricData",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
}
BASE = {"LogInToEcr", "PullImages", "ReadModels", "WriteLogs", "WriteMetrics"}
ENDPOINT = BASE | {"WatchUpdates"}
ENCRYPTED = {"UseKey", "EncryptVolumes"}
NETWORK = {"EnterNetwork", "LeaveNetwork", "SeeNetwork"}
MAY = {
    "instance": ENDPOINT,
    "serverless": ENDPOINT,
    "pipeline": ENDPOINT,
    "asynchronous": ENDPOINT | {"ReadRequests", "WriteAnswers", "Notify"},
    "batch": BASE | {"ReadRows", "ListRows", "ReadSentRows", "ListSentRows", "WriteAnswers"},
    "instance_with_everything": ENDPOINT | ENCRYPTED | NETWORK | {"Capture"},
    "asynchronous_from_zero": ENDPOINT | {"ReadRequests", "WriteAnswers", "Notify"},
    "instance_in_linear_steps": ENDPOINT,
    "instance_with_capture_elsewhere": ENDPOINT | {"Capture"},
    "pipeline_with_everything": ENDPOINT | ENCRYPTED | NETWORK | {"Capture"},
    "asynchronous_with_a_key": ENDPOINT | ENCRYPTED | NETWORK | {"ReadRequests", "WriteAnswers", "Notify"},
    "asynchronous_unheard": ENDPOINT | {"ReadRequests", "WriteAnswers"},
    "serverless_with_everything": ENDPOINT | ENCRYPTED,
    "batch_with_everything": BASE
    | ENCRYPTED
    | NETWORK
    | {"ReadRows", "ListRows", "ReadSentRows", "ListSentRows", "WriteAnswers"},
}
every_option = pytest.mark.parametrize("option", OPTIONS)


def statements_of(option, account=ACCOUNT, **settings):
    """Return the statements by their names, with the topics that such a stage has."""
    stage = stage_of(option, **settings)
    tells = stage.kind == "asynchronous" and stage.asynchronous.notify
    document = permissions(stage, facts_of(stage, account), [TOPIC] if tells else [])
    return {one["Sid"]: one for one in document["Statement"]}


def resources_of(option, sid, account=ACCOUNT):
    return statements_of(option, account)[sid]["Resource"]


@every_option
def test_a_role_may_do_what_its_stage_needs_and_no_more(option):
    assert set(statements_of(option)) == MAY[option]


@every_option
def test_everything_is_narrowed_that_can_be(option):
    for statement in statements_of(option).values():
        if "*" in statement["Resource"]:
            assert set(statement["Action"]) <= CANNOT_BE_NARROWED
            assert statement["Resource"] == ["*"]


@every_option
def test_no_action_is_a_pattern(option):
    assert not [action for one in statements_of(option).values() for action in one["Action"] if "*" in action]


@every_option
def test_the_document_is_of_todays_language_and_every_statement_has_a_name_of_its_own(option):
    stage = stage_of(option)
    document = permissions(stage, facts_of(stage))

    assert document["Version"] == "2012-10-17"
    assert len({one["Sid"] for one in document["Statement"]}) == len(document["Statement"])


def test_sagemaker_alone_takes_the_role_and_only_for_this_account():
    assert trust(ACCOUNT)["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
        }
    ]


def test_images_are_pulled_from_the_stages_repositories():
    assert resources_of("pipeline", "PullImages") == ["arn:aws:ecr:eu-west-1:123456789012:repository/abalone"]


def test_an_image_of_another_account_is_pulled_from_there():
    stage = stage_of("instance")
    facts = facts_of(stage)
    uri = facts.images[0].uri.replace("123456789012", "999999999999").replace("/abalone@", "/team/abalone@")
    foreign = Facts(ACCOUNT, BUCKET, [type(facts.images[0])(uri, "", "amd64", 1)], facts.archives)
    pull = next(one for one in permissions(stage, foreign)["Statement"] if one["Sid"] == "PullImages")

    assert pull["Resource"] == ["arn:aws:ecr:eu-west-1:999999999999:repository/team/abalone"]


def test_of_a_bucket_the_stages_own_archives_are_read():
    assert resources_of("pipeline", "ReadModels") == [
        f"arn:aws:s3:::{BUCKET}/models/features/0a1b2c3d/model.tar.gz",
        f"arn:aws:s3:::{BUCKET}/models/rings/0a1b2c3d/model.tar.gz",
    ]


def test_an_archive_that_two_containers_share_is_named_once():
    stage = stage_of("pipeline")
    facts = facts_of(stage)
    shared = Facts(ACCOUNT, BUCKET, facts.images, [Archive("s3://b/model.tar.gz", 1)] * 2)
    read = next(one for one in permissions(stage, shared)["Statement"] if one["Sid"] == "ReadModels")

    assert read["Resource"] == ["arn:aws:s3:::b/model.tar.gz"]


@pytest.mark.parametrize(
    ("option", "group"), [("serverless", "/aws/sagemaker/Endpoints/abalone"), ("batch", "/aws/sagemaker/TransformJobs")]
)
def test_logs_are_written_to_the_stages_own_group(option, group):
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:{group}"

    assert resources_of(option, "WriteLogs") == [arn, f"{arn}:*"]


def test_metrics_are_written_to_sagemakers_namespaces_alone():
    assert statements_of("instance")["WriteMetrics"]["Condition"] == {
        "StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*", "AWS/SageMaker"]}
    }


def test_an_update_is_watched_by_the_stages_own_alarms():
    assert statements_of("instance")["WatchUpdates"]["Action"] == ["cloudwatch:DescribeAlarms"]
    assert resources_of("instance", "WatchUpdates") == [
        "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:byoc-abalone-*"
    ]


def test_an_asynchronous_endpoint_reads_and_writes_below_its_own_folder():
    folder = f"arn:aws:s3:::{BUCKET}/stages/abalone"

    assert resources_of("asynchronous", "ReadRequests") == [f"{folder}/requests/*"]
    assert resources_of("asynchronous", "WriteAnswers") == [f"{folder}/answers/*", f"{folder}/failures/*"]
    assert resources_of("asynchronous", "Notify") == [TOPIC]


def test_an_asynchronous_endpoint_reads_and_writes_where_its_file_says():
    assert resources_of("asynchronous_from_zero", "ReadRequests") == ["arn:aws:s3:::theirs/in/*"]
    assert resources_of("asynchronous_from_zero", "WriteAnswers") == [
        "arn:aws:s3:::theirs/out/*",
        "arn:aws:s3:::theirs/bad/*",
    ]


def test_a_transform_job_lists_and_reads_what_begins_like_its_input():
    statements = statements_of("batch_with_everything")

    assert statements["ReadRows"]["Resource"] == ["arn:aws:s3:::theirs/rows/2026*"]
    assert statements["ListRows"]["Resource"] == ["arn:aws:s3:::theirs"]
    assert statements["ListRows"]["Condition"] == {"StringLike": {"s3:prefix": ["rows/2026*"]}}
    assert statements["WriteAnswers"]["Resource"] == ["arn:aws:s3:::theirs/rings/*"]


@pytest.mark.parametrize(
    ("rows", "bucket", "pattern"),
    [
        ({}, BUCKET, "stages/abalone/batch/input/*"),
        ({"input": "s3://rows"}, "rows", "*"),
        ({"input": "s3://rows/in/"}, "rows", "in/*"),
        ({"input": "s3://rows/in"}, "rows", "in*"),
    ],
)
def test_rows_are_read_where_a_job_looks_for_them_to_the_letter(rows, bucket, pattern):
    statements = statements_of("batch", batch=rows)

    assert statements["ReadRows"]["Resource"] == [f"arn:aws:s3:::{bucket}/{pattern}"]
    assert statements["ListRows"]["Resource"] == [f"arn:aws:s3:::{bucket}"]
    assert statements["ListRows"]["Condition"] == {"StringLike": {"s3:prefix": [pattern]}}
    looked_for = split(input_of(stage_of("batch", batch=rows), BUCKET))
    assert looked_for == (bucket, pattern.removesuffix("*"))


@pytest.mark.parametrize(
    ("option", "folder"),
    [
        ("instance_with_everything", f"arn:aws:s3:::{BUCKET}/stages/abalone/captured/*"),
        ("instance_with_capture_elsewhere", "arn:aws:s3:::theirs/seen/*"),
    ],
)
def test_captured_data_is_written_to_its_folder(option, folder):
    assert resources_of(option, "Capture") == [folder]


@pytest.mark.parametrize(("option", "writes"), [("serverless_with_everything", False), ("batch_with_everything", True)])
def test_the_stages_key_alone_is_used(option, writes):
    statements = statements_of(option)

    assert statements["UseKey"]["Resource"] == statements["EncryptVolumes"]["Resource"] == [KEY]
    assert ("kms:GenerateDataKey" in statements["UseKey"]["Action"]) == writes
    assert statements["EncryptVolumes"]["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def test_a_network_is_entered_in_the_stages_subnets_and_groups_whichever_account_shares_them():
    assert resources_of("batch_with_everything", "EnterNetwork") == [
        "arn:aws:ec2:eu-west-1:123456789012:network-interface/*",
        "arn:aws:ec2:eu-west-1:*:subnet/subnet-0123456789abcdef0",
        "arn:aws:ec2:eu-west-1:*:subnet/subnet-1123456789abcdef0",
        "arn:aws:ec2:eu-west-1:*:security-group/sg-0123456789abcdef0",
    ]


@pytest.mark.parametrize("account", [CHINA, Account("123456789012", "aws-us-gov", "us-gov-west-1")])
@pytest.mark.parametrize("option", ["asynchronous", "batch", "instance_with_capture_elsewhere"])
def test_arns_are_those_of_the_partition(option, account):
    text = json.dumps(statements_of(option, account)).replace(TOPIC, "")

    assert f"arn:{account.partition}:s3:::" in text
    assert "arn:aws:" not in text
