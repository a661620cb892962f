"""What a stage's containers, and SageMaker on their behalf, may do: nothing but what the stage needs."""

from collections.abc import Iterator, Sequence
from typing import Any

from deploy.facts import Account, Facts, Image
from deploy.model.images import parse
from deploy.s3 import split
from deploy.stack.tags import PREFIX
from deploy.stage import places
from deploy.stage.kinds import (
    AsynchronousStage,
    BatchStage,
    InstanceStage,
    OnInstances,
    PipelineStage,
    ServerlessStage,
    Stage,
)
from deploy.stage.places import Place

Statement = dict[str, Any]
Document = dict[str, Any]

WRITES = (InstanceStage, PipelineStage, AsynchronousStage, BatchStage)


def trust(account: Account) -> Document:
    """Return who may take the role: SageMaker, and only for this account's sake."""
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account.number}},
        }
    )


def permissions(stage: Stage, facts: Facts, topics: Sequence[Any] = ()) -> Document:
    """Return the role's policy; *topics* are the ARNs of the stage's own."""
    return document(
        *images(facts),
        *_archives(facts),
        *_key(stage),
        *_logs(stage, facts.account),
        *metrics(),
        *_guardrails(stage, facts.account),
        *_objects(stage, facts),
        *_notifications(topics),
        *_network(stage, facts.account),
    )


def document(*statements: Statement) -> Document:
    """Return a policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(sid: str, actions: Sequence[str], *resources: Any, **conditions: Any) -> Statement:
    """Return a statement that allows the actions on the resources."""
    condition = {"Condition": conditions} if conditions else {}
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources), **condition}


def images(facts: Facts) -> Iterator[Statement]:
    """Yield the right to pull the images."""
    repositories = sorted({_repository_arn(image, facts.account) for image in facts.images})
    layers = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    yield allow("LogInToEcr", ["ecr:GetAuthorizationToken"], "*")
    yield allow("PullImages", layers, *repositories)


def _repository_arn(image: Image, account: Account) -> str:
    named = parse(image.uri, account)
    return f"arn:{account.partition}:ecr:{account.region}:{named.account}:repository/{named.repository}"


def _archives(facts: Facts) -> Iterator[Statement]:
    urls = {archive.url for archive in facts.archives if archive}
    if urls:
        objects = sorted(_arn(facts, places.place_of(url)) for url in urls)
        yield allow("ReadModels", ["s3:GetObject"], *objects)


def _key(stage: Stage) -> Iterator[Statement]:
    if not stage.key:
        return
    writing = ["kms:GenerateDataKey"] if isinstance(stage, WRITES) else []
    by_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    yield allow("UseKey", ["kms:Decrypt", "kms:DescribeKey", *writing], stage.key)
    yield allow("EncryptVolumes", ["kms:CreateGrant"], stage.key, **by_aws)


def log_group(stage: Stage) -> str:
    """Return where the containers' lines are kept."""
    return "/aws/sagemaker/TransformJobs" if isinstance(stage, BatchStage) else f"/aws/sagemaker/Endpoints/{stage.name}"


def _logs(stage: Stage, account: Account) -> Iterator[Statement]:
    group = f"arn:{account.partition}:logs:{account.region}:{account.number}:log-group:{log_group(stage)}"
    actions = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
    yield allow("WriteLogs", actions, group, f"{group}:*")


def metrics() -> Iterator[Statement]:
    """Yield the right to SageMaker's own metrics."""
    ours = {"StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*", "AWS/SageMaker"]}}
    yield allow("WriteMetrics", ["cloudwatch:PutMetricData"], "*", **ours)


def _guardrails(stage: Stage, account: Account) -> Iterator[Statement]:
    """Yield the right to the stage's alarms, as CloudFormation names them: to name them here would be a circle."""
    if not isinstance(stage, BatchStage):
        alarms = f"arn:{account.partition}:cloudwatch:{account.region}:{account.number}:alarm:{PREFIX}{stage.name}-*"
        yield allow("WatchUpdates", ["cloudwatch:DescribeAlarms"], alarms)


def _objects(stage: Stage, facts: Facts) -> Iterator[Statement]:
    bucket = facts.bucket
    if isinstance(stage, AsynchronousStage):
        yield _read("ReadRequests", facts, places.request_folder(stage, bucket))
        yield _write("WriteAnswers", facts, places.answer_folder(stage, bucket), places.failure_folder(stage, bucket))
    elif isinstance(stage, BatchStage):
        for sid, (rows, prefix) in {"Rows": _rows(stage, bucket), "SentRows": _sent_rows(stage, bucket)}.items():
            yield allow(f"Read{sid}", ["s3:GetObject"], f"{_bucket_arn(facts, rows)}/{prefix}*")
            yield allow(f"List{sid}", ["s3:ListBucket"], _bucket_arn(facts, rows), **_beginning(f"{prefix}*"))
        yield _write("WriteAnswers", facts, places.batch_output(stage, bucket))
    elif not isinstance(stage, ServerlessStage) and (captured := places.capture_folder(stage, bucket)):
        yield _write("Capture", facts, captured)


def _read(sid: str, facts: Facts, place: Place) -> Statement:
    return allow(sid, ["s3:GetObject"], f"{_arn(facts, place)}/*")


def _write(sid: str, facts: Facts, *folders: Place) -> Statement:
    return allow(sid, ["s3:PutObject", "s3:AbortMultipartUpload"], *(f"{_arn(facts, place)}/*" for place in folders))


def _rows(stage: BatchStage, bucket: str) -> tuple[str, str]:
    """Return the bucket and how the keys of rows begin: what the stage says is taken to the letter."""
    return split(stage.batch.input or f"{places.batch_input(stage, bucket).url}/")


def _sent_rows(stage: BatchStage, bucket: str) -> tuple[str, str]:
    return split(f"{places.batch_sent(stage, bucket).url}/")


def _beginning(pattern: str) -> dict[str, Any]:
    return {"StringLike": {"s3:prefix": [pattern]}}


def _bucket_arn(facts: Facts, bucket: str) -> str:
    return f"arn:{facts.account.partition}:s3:::{bucket}"


def _arn(facts: Facts, place: Place) -> str:
    return f"{_bucket_arn(facts, place.bucket)}/{place.prefix}".rstrip("/")


def _notifications(topics: Sequence[Any]) -> Iterator[Statement]:
    if topics:
        yield allow("Notify", ["sns:Publish"], *topics)


def _network(stage: Stage, account: Account) -> Iterator[Statement]:
    if not isinstance(stage, OnInstances) or not stage.vpc:
        return
    ec2 = f"arn:{account.partition}:ec2:{account.region}"
    interfaces = f"{ec2}:{account.number}:network-interface/*"
    # A subnet that another account shares is in that account, and so may its groups be.
    subnets = (f"{ec2}:*:subnet/{subnet}" for subnet in stage.vpc.subnets)
    groups = (f"{ec2}:*:security-group/{group}" for group in stage.vpc.security_groups)
    yield allow("EnterNetwork", ["ec2:CreateNetworkInterface"], interfaces, *subnets, *groups)
    yield allow("LeaveNetwork", _on_interfaces, interfaces)
    yield allow("SeeNetwork", _about_networks, "*")


_on_interfaces = (
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
)
_about_networks = (
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
