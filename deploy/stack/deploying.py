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
from deploy.stack.requiring import require_no_jobs, require_ours, require_same_family, require_served
from deploy.stack.stack import ABSENT, Stack
from deploy.stack.stepping import steps, take_steps
from deploy.stack.tags import cost_note, tags_of
from deploy.stack.template import render
from deploy.stage.kinds import BatchStage, Stage

RETENTION = 30  # days
ENDPOINT = "(AWS::SageMaker::Endpoint)"  # as it stands in a reason

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
    require_deployable(stage, stack)
    template, tags = render(stage, facts), tags_of(stage)
    if isinstance(stage, BatchStage):
        if stack.is_live():
            require_no_jobs(stage, client("sagemaker"), lambda: bool(stack.plan(template, tags)))
        take_steps(stack, template, tags)
    else:
        keep_logs(client("logs"), log_group(stage), tags)
        with pointing_to_logs(stage, facts.account.region):
            take_steps(stack, template, tags)
            require_served(stage, stack, client("sagemaker"))
    return what_is_up(stage, facts.account.region, stack.outputs())


def status(stage: Stage, stack: Stack, client: Client) -> Report:
    """Return how the stage is."""
    if stack.status() == ABSENT:
        where = f"{stack.region}, account {client('sts').get_caller_identity()['Account']}"
        return Report(f"{stage.name}: not deployed in {where} (there is no stack {stack.name}).", 1)
    return health(stage, stack, client("sagemaker"), client("cloudwatch"))


def destroy(stage: Stage, account: Account, bucket: str, stack: Stack, client: Client) -> str:
    """Remove the stage, if it is there; return what stays on purpose."""
    require_ours(stage, stack)
    if isinstance(stage, BatchStage) and stack.exists():
        require_no_jobs(stage, client("sagemaker"))
    absent = f"{stage.name} is not deployed in {account.region}, account {account.number}: nothing to remove."
    first = f"{stage.name} is gone." if stack.delete() else absent
    stays = list(kept_by(stage, account, bucket, client))
    if not stays:
        return f"{first} Nothing stays."
    return "\n".join([f"{first} What stays on purpose, and the command that removes it:", *map(str, stays)])


def would_remove(stage: Stage, stack: Stack) -> str:
    """Return what `destroy` would remove, and remove nothing."""
    require_ours(stage, stack)
    resources = stack.resources() if stack.exists() else {}
    if not resources:
        return f"There is no stack {stack.name}: nothing would be removed."
    return "\n".join(
        [f"{stack.name} would be removed, and in it:", *(f"  {name}: {one}" for name, one in resources.items())]
    )


def require_deployable(stage: Stage, stack: Stack) -> None:
    """Raise `Refused` if the stage cannot be deployed now: before anything is uploaded."""
    require_same_family(stage, stack)
    stack.require_rest()


def keep_logs(logs: Any, name: str, tags: Mapping[str, str]) -> None:
    """Make the log group, unless it is there; what it keeps for ever otherwise, it keeps for a month."""
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=name, tags=dict(tags))
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    if any(group["logGroupName"] == name and "retentionInDays" not in group for group in groups):
        logs.put_retention_policy(logGroupName=name, retentionInDays=RETENTION)


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
