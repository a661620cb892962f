"""What a job may do: nothing but what it needs. The role is a CloudFormation stack of its own, and costs nothing."""

from collections.abc import Iterator
from typing import Any

from deploy.errors import Refused
from deploy.facts import Facts
from deploy.job import places
from deploy.job.kinds import JobFile
from deploy.s3 import split
from deploy.stack.policies import Document, Statement, allow, document, images, metrics, trust
from deploy.stack.resources import attribute, resource
from deploy.stack.stack import Stack
from deploy.stack.tags import FREE, MANAGED_BY, as_list
from deploy.stack.template import Template

LOG_GROUPS = ("/aws/sagemaker/ProcessingJobs", "/aws/sagemaker/TrainingJobs")


class JobStack(Stack):
    """The stack of a job's role, by the job's name."""

    prefix = "byocjob-"  # no stage has a stack of such a name
    owner = "JOB"


def tags_of(job: JobFile) -> dict[str, str]:
    """Return the tags of everything of the job; its own come first."""
    return {**job.tags, "job": job.name, "owner": job.owner, "managed-by": MANAGED_BY}


def ensure_role(job: JobFile, facts: Facts, stack: Stack) -> str:
    """Return the ARN of the role: the file's, or that of the stack, which is made what it has to be."""
    if job.role:
        return job.role
    require_ours(job, stack)
    stack.apply(template(job, facts), tags_of(job))
    return stack.outputs()["RoleArn"]


def require_ours(job: JobFile, stack: Stack) -> None:
    """Raise `Refused` if somebody else's stack has the name."""
    if stack.exists() and stack.tags().get("managed-by") != MANAGED_BY:
        raise Refused(
            f"There is a stack {stack.name} that was not made by `{MANAGED_BY}`: it has no such tag managed-by.",
            f"Nothing is done to it. Give the job {job.name} another name.",
        )


def template(job: JobFile, facts: Facts) -> Template:
    """Return the stack's template: the role, and its ARN."""
    role = resource(
        "IAM::Role",
        Path=f"/byoc/{job.name}/",
        Description=f"What SageMaker may do for the jobs of {job.name}",
        AssumeRolePolicyDocument=trust(facts.account),
        Policies=[{"PolicyName": "job", "PolicyDocument": permissions(job, facts)}],
        Tags=as_list({**tags_of(job), "cost-note": FREE}),
    )
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The role of the jobs of {job.name}: {FREE}",
        "Resources": {"Role": role},
        "Outputs": {"RoleArn": {"Value": attribute("Role", "Arn")}},
    }


def permissions(job: JobFile, facts: Facts) -> Document:
    """Return the role's policy."""
    return document(*images(facts), *_objects(job, facts), *_key(job), *_logs(facts), *metrics())


def _objects(job: JobFile, facts: Facts) -> Iterator[Statement]:
    partition, own = facts.account.partition, places.folder_of(job, facts.bucket)
    read = [(own.bucket, own.prefix), *((bucket, key.strip("/")) for bucket, key in map(split, job.reads))]
    yield allow("ReadData", ["s3:GetObject"], *(f"arn:{partition}:s3:::{_below(*one)}" for one in read))
    for number, (bucket, prefix) in enumerate(read):
        beginning: dict[str, Any] = {"StringLike": {"s3:prefix": [f"{prefix}/*" if prefix else "*"]}}
        yield allow(f"ListData{number}", ["s3:ListBucket"], f"arn:{partition}:s3:::{bucket}", **beginning)
    write = (f"arn:{partition}:s3:::{own.bucket}/{own.prefix}/{folder}/*" for folder in ("processed", "trained"))
    yield allow("WriteResults", ["s3:PutObject", "s3:AbortMultipartUpload"], *write)


def _below(bucket: str, prefix: str) -> str:
    return f"{bucket}/{prefix}/*" if prefix else f"{bucket}/*"


def _key(job: JobFile) -> Iterator[Statement]:
    if job.key:
        yield allow("UseKey", ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"], job.key)
        yield allow("EncryptVolumes", ["kms:CreateGrant"], job.key, Bool={"kms:GrantIsForAWSResource": "true"})


def _logs(facts: Facts) -> Iterator[Statement]:
    account = facts.account
    group = f"arn:{account.partition}:logs:{account.region}:{account.number}:log-group"
    names = (name for one in LOG_GROUPS for name in (f"{group}:{one}", f"{group}:{one}:*"))
    actions = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
    yield allow("WriteLogs", actions, *names)
