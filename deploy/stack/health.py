"""How a stage is: its stack, its endpoint, its alarms."""

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from deploy.stack.policies import log_group
from deploy.stack.stack import GOOD, Stack
from deploy.stack.tags import cost_note
from deploy.stage.kinds import BatchStage, Stage

ALARMS = "Alarm"  # how their names in the template end
LASTING = ("InService", "Updating", "SystemUpdating")  # it serves; scaling is an update too
SERVING = (*LASTING, "RollingBack")
LEFT_AS_IT_WAS = "UPDATE_ROLLBACK_COMPLETE"


class Report(NamedTuple):
    """What is told of a stage; the exit code is 0 if it serves as it should."""

    text: str
    exit_code: int


def health(stage: Stage, stack: Stack, sagemaker: Any, cloudwatch: Any) -> Report:
    """Return how the stage is, in words."""
    status = stack.status()
    rows = {"stack": f"{stack.name} {status}"}
    if isinstance(stage, BatchStage):
        good = status in (*GOOD, LEFT_AS_IT_WAS)
        return _report(stage, "ready for transform jobs" if good else "not ready", rows, good=good)
    endpoint = endpoint_of(sagemaker, stage.name)
    rows |= dict(_about(endpoint)) | _alarms(stack, cloudwatch)
    good = endpoint.get("EndpointStatus") in SERVING
    return _report(stage, endpoint.get("EndpointStatus", "no endpoint"), rows, good=good)


def _report(stage: Stage, word: str, rows: Mapping[str, str], *, good: bool) -> Report:
    told = {**rows, "cost": cost_note(stage), "logs": log_group(stage)}
    lines = [f"{stage.name}: {word}", *(f"  {name:<10} {value}" for name, value in told.items())]
    return Report("\n".join(lines), 0 if good else 1)


def endpoint_of(sagemaker: Any, name: str) -> dict[str, Any]:
    """Return SageMaker's description, empty if there is no such endpoint."""
    try:
        return dict(sagemaker.describe_endpoint(EndpointName=name))
    except ClientError as error:
        if "Could not find" not in str(error):
            raise
        return {}


def _about(endpoint: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "LastModifiedTime" in endpoint:
        yield "changed", f"{endpoint['LastModifiedTime'].astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    for variant in endpoint.get("ProductionVariants", ()):
        images = [image.get("ResolvedImage") or image["SpecifiedImage"] for image in variant.get("DeployedImages", ())]
        yield "images", ", ".join(images) or "not known"
        yield from _capacity(variant)
    if reason := endpoint.get("FailureReason"):
        yield "failure", reason


def _capacity(variant: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "CurrentServerlessConfig" in variant:
        serverless = variant["CurrentServerlessConfig"]
        yield "serverless", f"{serverless['MemorySizeInMB']} MB, {serverless['MaxConcurrency']} at a time"
    elif "DesiredInstanceCount" in variant:
        yield "instances", f"{variant.get('CurrentInstanceCount', 0)} of {variant['DesiredInstanceCount']}"


def _alarms(stack: Stack, cloudwatch: Any) -> dict[str, str]:
    names = {name: own for name, own in stack.resources().items() if name.endswith(ALARMS) and own}
    if not names:
        return {}
    told = cloudwatch.describe_alarms(AlarmNames=list(names.values()))["MetricAlarms"]
    states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in told}
    return {"alarms": ", ".join(f"{name} {states.get(own, 'missing')}" for name, own in names.items())}
