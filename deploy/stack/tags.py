"""What is written on everything that a stage has on AWS: whose it is, and what it costs, in words."""

from collections.abc import Mapping

from deploy.stage.kinds import AsynchronousStage, BatchStage, Instance, ServerlessStage, Stage

MANAGED_BY = "python -m deploy"
PREFIX = "byoc-"  # of a stack, before the stage's name, and so of what CloudFormation names after it
# SageMaker takes letters, digits, spaces and _.:/=+-@ in a tag, hence no commas below.
FREE = "free of charge"
PER_ALARM = "billed for each month that it exists"
PER_MESSAGE = "billed for each message"

Tag = dict[str, str]


def tags_of(stage: Stage) -> dict[str, str]:
    """Return the tags of everything in the stage; the stage's own come first."""
    return {
        **stage.tags,
        "stage": stage.name,
        "kind": stage.kind,
        "owner": stage.owner,
        "managed-by": MANAGED_BY,
    }


def as_list(tags: Mapping[str, str]) -> list[Tag]:
    """Return the tags as most of AWS wants them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_list(stage: Stage, cost: str) -> list[Tag]:
    """Return the tags of one resource, with what it costs."""
    return as_list({**tags_of(stage), "cost-note": cost})


def cost_note(stage: Stage) -> str:
    """Return what is billed for a stage's endpoint or jobs, and when."""
    if isinstance(stage, ServerlessStage):
        return _serverless_note(stage.serverless.provisioned)
    if isinstance(stage, BatchStage):
        return f"{_machines(stage.instance)} billed while a transform job runs"
    if stage.autoscaling is None:
        return f"{_machines(stage.instance)} billed while the endpoint exists"
    number = f"{stage.autoscaling.min} to {stage.autoscaling.max}"
    if isinstance(stage, AsynchronousStage) and stage.autoscaling.min == 0:
        return f"{number} x {stage.instance.type} billed while requests wait or run"
    return f"{number} x {stage.instance.type} billed while the endpoint exists"


def _serverless_note(provisioned: int | None) -> str:
    if provisioned:
        return f"provisioned concurrency of {provisioned} billed while the endpoint exists and requests by duration"
    return "billed for each request by its duration"


def _machines(instance: Instance) -> str:
    return f"{instance.count} x {instance.type}"
