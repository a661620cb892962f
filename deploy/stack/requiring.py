"""What must be so before a stage is changed, and after it: each function raises `Refused` if it is not."""

import re
from collections.abc import Callable
from typing import Any

from deploy.errors import Refused
from deploy.progress import listed
from deploy.stack.health import LASTING, endpoint_of
from deploy.stack.stack import Stack
from deploy.stack.tags import MANAGED_BY
from deploy.stage.kinds import BatchStage, Stage

# Within a family an endpoint can be updated; batch has none.
FAMILIES = {
    "instance": "on instances",
    "pipeline": "on instances",
    "serverless": "serverless",
    "asynchronous": "asynchronous",
}
WHEN = "-20261120-120000"  # how a job's name ends
LONGEST_NAME = 63


def require_ours(stage: Stage, stack: Stack) -> None:
    """Raise `Refused` if somebody else's stack has the name."""
    if stack.exists() and stack.tags().get("managed-by") != MANAGED_BY:
        raise Refused(
            f"There is a stack {stack.name} that was not made by `{MANAGED_BY}`: it has no such tag managed-by.",
            f"Nothing is done to it. Give the stage {stage.name} another name.",
        )


def require_same_family(stage: Stage, stack: Stack) -> None:
    """Raise `Refused` if an endpoint is there that cannot become what the stage is."""
    require_ours(stage, stack)
    was = stack.tags().get("kind", "") if stack.is_live() else ""
    before, after = FAMILIES.get(was), FAMILIES.get(stage.kind)
    if before and before != after:
        wanted = f"one that is {after}" if after else "a model for transform jobs: its service would end"
        raise Refused(
            f"{stage.name} is deployed as {was}, and its file now says {stage.kind}: SageMaker cannot make an endpoint "
            f"that is {before} {wanted}.",
            f"Remove it first, which ends its service: make destroy STAGE={stage.name}",
            "Or give the new one another name, and let its callers change over: a stage's file is named after it.",
        )


def require_served(stage: Stage, stack: Stack, sagemaker: Any) -> None:
    """Raise `Refused` unless the endpoint serves what the stack says: CloudFormation does not look again."""
    endpoint, again = endpoint_of(sagemaker, stage.name), f"make destroy STAGE={stage.name}"
    if not endpoint:
        raise Refused(
            f"{stack.name} is as it should be, but there is no endpoint {stage.name}: the endpoint was removed by "
            "hand.",
            f"Make both anew: {again}, then make deploy STAGE={stage.name}",
        )
    why = [f"SageMaker's reason: {endpoint['FailureReason']}"] if endpoint.get("FailureReason") else []
    if endpoint["EndpointStatus"] not in LASTING:
        raise Refused(
            f"{stack.name} is as it should be, but the endpoint {stage.name} is {endpoint['EndpointStatus']}.",
            *why,
            f"Look at it: make status STAGE={stage.name}",
        )
    wanted = stack.resources().get("EndpointConfig", "").rpartition("/")[2]  # its name, or its ARN
    if endpoint["EndpointConfigName"].casefold() != wanted.casefold():
        raise Refused(
            f"The endpoint {stage.name} serves {endpoint['EndpointConfigName']}, and {stack.name} says {wanted}: "
            "SageMaker took the update back, or somebody changed the endpoint by hand.",
            *why,
            f"Remove the cause, then make both anew: {again}, then make deploy STAGE={stage.name}",
        )


def require_no_jobs(stage: BatchStage, sagemaker: Any, harmed: Callable[[], bool] = lambda: True) -> None:
    """Raise `Refused` if transform jobs of the stage run, and would be harmed: they would lose their model."""
    jobs = _running(stage, sagemaker)
    if jobs and harmed():
        region = sagemaker.meta.region_name
        raise Refused(
            f"{stage.name} has transform jobs that run, and would lose their model: {listed(jobs)}.",
            "Wait until they are done, or stop them:",
            *(f"aws sagemaker stop-transform-job --transform-job-name {job} --region {region}" for job in jobs),
        )


def _running(stage: BatchStage, sagemaker: Any) -> list[str]:
    """Return the names of the stage's own jobs; another stage's name may begin like this one's."""
    prefix = stage.name[: LONGEST_NAME - len(WHEN)].rstrip("-")
    pages = sagemaker.get_paginator("list_transform_jobs").paginate(NameContains=prefix, StatusEquals="InProgress")
    names = (job["TransformJobName"] for page in pages for job in page["TransformJobSummaries"])
    return [name for name in names if re.fullmatch(rf"{re.escape(prefix)}-\d{{8}}-\d{{6}}", name)]
