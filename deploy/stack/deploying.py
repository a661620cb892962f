"""What can be done with a stage: plan, deploy, look at and destroy it. Each function is a table of contents."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from deploy.errors import Refused
from deploy.facts import Account, Facts
from deploy.stack.change_sets import Change
from deploy.stack.describing import what_is_up
from deploy.stack.health import Report, health
from deploy.stack.kept import kept_by
from deploy.stack.policies import log_group
from deploy.stack.stack import Stack
from deploy.stack.tags import MANAGED_BY, cost_note, tags_of
from deploy.stack.template import Template, instance_type, is_scaled, render, without_scaling
from deploy.stage.kinds import BatchStage, Stage

RETENTION = 30  # days
ENDPOINT = "(AWS::SageMaker::Endpoint)"  # as it stands in a reason
# Within a family an endpoint can be updated; batch has none, and is in no family.
FAMILIES = {
    "instance": "on instances",
    "pipeline": "on instances",
    "serverless": "serverless",
    "asynchronous": "asynchronous",
}

Client = Callable[[str], Any]  # of a service, by its name: `boto3.Session().client`


def plan(stage: Stage, facts: Facts, stack: Stack) -> str:
    """Return what a deployment would change, and change nothing."""
    require_same_family(stage, stack)
    template, tags = render(stage, facts), tags_of(stage)
    changes = stack.plan(template, tags)
    stepwise = len(steps(stack.template() if stack.is_live() else None, template)) > 1
    return in_words(stage, stack.name, changes, stepwise=stepwise)


def in_words(stage: Stage, stack: str, changes: Sequence[Change], *, stepwise: bool) -> str:
    """Return the changes as they are shown."""
    if not changes:
        return f"{stack} is as it should be: nothing to change."
    lines = [f"{stack}: {len(changes)} change{'s' if len(changes) > 1 else ''}", *(f"  {change}" for change in changes)]
    if stepwise:
        lines.append("In three steps: SageMaker changes no instance type while scaling is on, so it is off meanwhile.")
    return "\n".join([*lines, f"Cost: {cost_note(stage)}."])


def deploy(stage: Stage, facts: Facts, stack: Stack, client: Client) -> str:
    """Make the stage what its file says, and return what is up; raise `Refused` if that failed."""
    require_same_family(stage, stack)
    if not isinstance(stage, BatchStage):
        keep_logs(client("logs"), log_group(stage), tags_of(stage))
    with pointing_to_logs(stage, facts.account.region):
        take_steps(stack, render(stage, facts), tags_of(stage))
    return what_is_up(stage, facts.account.region, stack.outputs())


def status(stage: Stage, stack: Stack, client: Client) -> Report:
    """Return how the stage is."""
    return health(stage, stack, client("sagemaker"), client("cloudwatch"))


def destroy(stage: Stage, account: Account, bucket: str, stack: Stack, client: Client) -> str:
    """Remove the stage, if it is there; return what stays on purpose."""
    require_ours(stage, stack)
    there_was = stack.delete()
    first = f"{stage.name} is gone." if there_was else f"{stage.name} is not deployed: nothing to remove."
    stays = list(kept_by(stage, account, bucket, client))
    if not stays:
        return f"{first} Nothing stays."
    return "\n".join([f"{first} What stays on purpose, and the command that removes it:", *map(str, stays)])


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
    if before and after and before != after:
        raise Refused(
            f"{stage.name} is deployed as {was}, and its file now says {stage.kind}: SageMaker cannot make an endpoint "
            f"that is {before} one that is {after}.",
            f"Remove it first, which ends its service: make destroy STAGE={stage.name}",
            "Or give the new one another name, and let its callers change over: a stage's file is named after it.",
        )


def keep_logs(logs: Any, name: str, tags: Mapping[str, str]) -> None:
    """Make the log group, unless it is there; what it keeps for ever otherwise, it keeps for a month."""
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=name, tags=dict(tags))
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    if any(group["logGroupName"] == name and "retentionInDays" not in group for group in groups):
        logs.put_retention_policy(logGroupName=name, retentionInDays=RETENTION)


def steps(live: Template | None, wanted: Template) -> list[Template]:
    """
    Return the templates to be applied one after the other.

    SageMaker changes no instance type while scaling is on: then that goes first, and comes back last.
    """
    if live is None or not is_scaled(live) or instance_type(live) in (None, instance_type(wanted)):
        return [wanted]
    return [without_scaling(live), without_scaling(wanted), *([wanted] if is_scaled(wanted) else [])]


def take_steps(stack: Stack, wanted: Template, tags: Mapping[str, str]) -> None:
    """Apply the templates; if one of several cannot be, scaling is put back as it was."""
    live = stack.template() if stack.is_live() else None
    first, *further = steps(live, wanted)
    stack.apply(first, tags)
    for step in further:
        try:
            stack.apply(step, tags)
        except Refused as refused:
            put_back(stack, live or wanted, tags, refused)


def put_back(stack: Stack, live: Template, tags: Mapping[str, str], refused: Refused) -> None:
    """Apply what was live, and raise why it had to be."""
    try:
        stack.apply(live, tags)
    except Refused as again:
        raise Refused(*refused.lines, "Scaling is off, and could not be put back:", *again.lines) from None
    raise refused


@contextmanager
def pointing_to_logs(stage: Stage, region: str) -> Iterator[None]:
    """Add where the containers' own words are, if it is the endpoint that failed."""
    try:
        yield
    except Refused as refused:
        if not any(ENDPOINT in line for line in refused.lines):
            raise
        where = f"aws logs tail {log_group(stage)} --since 1h --region {region}"
        raise Refused(*refused.lines, "What the containers said:", where) from None
