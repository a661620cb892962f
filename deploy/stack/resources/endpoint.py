"""The endpoint's configuration, and the endpoint itself."""

import math
from typing import Any

from deploy.facts import Facts
from deploy.stack.resources import VARIANT, Resource, Resources, attribute, given, ref, resource
from deploy.stack.resources.topics import ERROR, SUCCESS
from deploy.stack.tags import FREE, cost_note, tag_list
from deploy.stage import places
from deploy.stage.kinds import (
    AsynchronousStage,
    BatchStage,
    Endpoint,
    InstanceStage,
    PipelineStage,
    ServerlessStage,
    Stage,
    Update,
)
from deploy.stage.rules import LONGEST_UPDATE, longest_update

SLOWEST_DOWNLOAD = 10_000_000  # bytes in a second, from S3 to an instance, extracted
SHORTEST, LONGEST = 60, 3600  # s, ModelDataDownloadTimeoutInSeconds
CSV = ["text/csv"]
JSON = ["application/json", "application/jsonlines", "application/x-ndjson"]
WithEndpoint = InstanceStage | PipelineStage | AsynchronousStage | ServerlessStage
TRAFFIC = {"all-at-once": "ALL_AT_ONCE", "canary": "CANARY", "linear": "LINEAR"}


def endpoint_and_configuration(stage: Stage, facts: Facts, topics: Resources, alarms: Resources) -> Resources:
    """Return both, or nothing for a stage without an endpoint."""
    if isinstance(stage, BatchStage):
        return {}
    return {
        "EndpointConfig": configuration(stage, facts, topics),
        "Endpoint": endpoint(stage, facts, alarms),
    }


def configuration(stage: WithEndpoint, facts: Facts, topics: Resources) -> Resource:
    """Return what the endpoint runs on; it has no name, as it is replaced by each update."""
    return resource(
        "SageMaker::EndpointConfig",
        ProductionVariants=[variant(stage, facts)],
        AsyncInferenceConfig=_asynchronous(stage, facts, topics),
        DataCaptureConfig=_capture(stage, facts),
        KmsKeyId=stage.key,
        Tags=tag_list(stage, FREE),
    )


def variant(stage: WithEndpoint, facts: Facts) -> dict[str, Any]:
    """Return the only variant."""
    named = {"VariantName": VARIANT, "ModelName": attribute("Model", "ModelName"), "InitialVariantWeight": 1}
    if isinstance(stage, ServerlessStage):
        return {**named, "ServerlessConfig": _serverless(stage)}
    return given(
        **named,
        InstanceType=stage.instance.type,
        InitialInstanceCount=stage.instance.count,
        RoutingConfig={"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        ModelDataDownloadTimeoutInSeconds=download_timeout(facts),
        ContainerStartupHealthCheckTimeoutInSeconds=stage.start_up_seconds,
    )


def _serverless(stage: ServerlessStage) -> dict[str, int]:
    return given(
        MemorySizeInMB=stage.serverless.memory_mb,
        MaxConcurrency=stage.serverless.concurrency,
        ProvisionedConcurrency=stage.serverless.provisioned,
    )


def download_timeout(facts: Facts) -> int | None:
    """Return the seconds that the archives may take to arrive; None leaves it to SageMaker if a size is unknown."""
    sizes = [archive.size for archive in facts.archives if archive]
    known = [size for size in sizes if size is not None]
    if not sizes or len(known) < len(sizes):
        return None
    return min(max(math.ceil(sum(known) / SLOWEST_DOWNLOAD), SHORTEST), LONGEST)


def _asynchronous(stage: WithEndpoint, facts: Facts, topics: Resources) -> dict[str, Any] | None:
    if not isinstance(stage, AsynchronousStage):
        return None
    output = given(
        S3OutputPath=places.answer_folder(stage, facts.bucket).url,
        S3FailurePath=places.failure_folder(stage, facts.bucket).url,
        KmsKeyId=stage.key,
        NotificationConfig={"SuccessTopic": ref(SUCCESS), "ErrorTopic": ref(ERROR)} if topics else None,
    )
    client = {"MaxConcurrentInvocationsPerInstance": stage.asynchronous.concurrent_requests}
    return {"ClientConfig": client, "OutputConfig": output}


def _capture(stage: WithEndpoint, facts: Facts) -> dict[str, Any] | None:
    """Return what is kept; bodies of types that are not named here would be kept as base64."""
    if not isinstance(stage, InstanceStage | PipelineStage) or not stage.capture:
        return None
    place = places.capture_folder(stage, facts.bucket)
    return given(
        EnableCapture=True,
        InitialSamplingPercentage=stage.capture.percent,
        DestinationS3Uri=place.url if place else None,
        KmsKeyId=stage.key,
        CaptureOptions=[{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        CaptureContentTypeHeader={"CsvContentTypes": CSV, "JsonContentTypes": JSON},
    )


def endpoint(stage: WithEndpoint, facts: Facts, alarms: Resources) -> Resource:
    """Return the endpoint, which is called what the stage is called."""
    return resource(
        "SageMaker::Endpoint",
        EndpointName=stage.name,
        EndpointConfigName=attribute("EndpointConfig", "EndpointConfigName"),
        DeploymentConfig=guardrails(stage, facts, alarms),
        **_kept_by_updates(stage),
        Tags=tag_list(stage, cost_note(stage)),
    )


def guardrails(stage: WithEndpoint, facts: Facts, alarms: Resources) -> dict[str, Any]:
    """Return how an update takes over, and what makes it go back."""
    update = stage.update if isinstance(stage, Endpoint) else Update()
    start = stage.start_up_seconds if isinstance(stage, Endpoint) else 0
    longest = longest_update(update) + start + (download_timeout(facts) or 0)
    return {
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": ref(alarm)} for alarm in alarms]},
        "BlueGreenUpdatePolicy": {
            "MaximumExecutionTimeoutInSeconds": min(longest, LONGEST_UPDATE),
            "TerminationWaitInSeconds": update.bake_seconds,
            "TrafficRoutingConfiguration": _traffic(update),
        },
    }


def _traffic(update: Update) -> dict[str, Any]:
    step = {"Type": "CAPACITY_PERCENT", "Value": update.step_percent}
    return given(
        Type=TRAFFIC[update.traffic],
        # The API asks for an interval even where there is nothing between two steps.
        WaitIntervalInSeconds=0 if update.traffic == "all-at-once" else update.wait_seconds,
        CanarySize=step if update.traffic == "canary" else None,
        LinearStepSize=step if update.traffic == "linear" else None,
    )


def _kept_by_updates(stage: WithEndpoint) -> dict[str, Any]:
    """Return that an update keeps the number of instances, where scaling decides it, but not what is captured."""
    if isinstance(stage, ServerlessStage) or not stage.autoscaling:
        return {}
    return {
        "RetainAllVariantProperties": True,
        "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DataCaptureConfig"}],
    }
