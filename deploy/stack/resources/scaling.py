"""How many instances there are: more when requests queue, fewer when they do not."""

from typing import Any

from deploy.stack.resources import NAMESPACE, VARIANT, Resource, Resources, ref, resource
from deploy.stack.resources.alarms import MINUTE, dimensions
from deploy.stack.tags import PER_ALARM, tag_list
from deploy.stage.kinds import (
    AsynchronousStage,
    Autoscaling,
    AutoscalingFromZero,
    InstanceStage,
    PipelineStage,
    Stage,
)

TARGET = "ScalableTarget"
Scaled = InstanceStage | PipelineStage | AsynchronousStage


def scaling(stage: Stage) -> Resources:
    """Return what scales the endpoint, if anything is to."""
    if not isinstance(stage, Scaled) or not stage.autoscaling:
        return {}
    if isinstance(stage, AsynchronousStage):
        return {TARGET: _target(stage, stage.autoscaling), **_by_backlog(stage, stage.autoscaling)}
    return {TARGET: _target(stage, stage.autoscaling), "ScalingPolicy": _by_concurrency(stage, stage.autoscaling)}


def _target(stage: Scaled, wanted: Autoscaling | AutoscalingFromZero) -> Resource:
    target = resource(
        "ApplicationAutoScaling::ScalableTarget",
        ServiceNamespace="sagemaker",
        ResourceId=f"endpoint/{stage.name}/variant/{VARIANT}",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        MinCapacity=wanted.min,
        MaxCapacity=wanted.max,
    )
    return {**target, "DependsOn": "Endpoint"}


def _by_concurrency(stage: Scaled, wanted: Autoscaling) -> Resource:
    """Return a policy by a metric that comes every 10 seconds, of requests that wait or are being answered."""
    metric = {"PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"}
    return _tracking(
        stage,
        TargetValue=wanted.concurrent_requests,
        PredefinedMetricSpecification=metric,
        ScaleOutCooldown=60,
        ScaleInCooldown=300,
    )


def _by_backlog(stage: Scaled, wanted: AutoscalingFromZero) -> Resources:
    metric = {
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Namespace": NAMESPACE,
        "Dimensions": dimensions(EndpointName=stage.name),
        "Statistic": "Average",
    }
    tracking = _tracking(
        stage,
        TargetValue=wanted.backlog,
        CustomizedMetricSpecification=metric,
        ScaleOutCooldown=300,
        ScaleInCooldown=600,
    )
    return {"ScalingPolicy": tracking, **(_from_zero(stage) if wanted.min == 0 else {})}


def _tracking(stage: Scaled, **configuration: Any) -> Resource:
    return resource(
        "ApplicationAutoScaling::ScalingPolicy",
        PolicyName=f"{stage.name}-tracking",
        PolicyType="TargetTrackingScaling",
        ScalingTargetId=ref(TARGET),
        TargetTrackingScalingPolicyConfiguration=configuration,
    )


def _from_zero(stage: Scaled) -> Resources:
    """Return what starts the first instance: without one there is no backlog for each instance to be tracked."""
    return {"WakingPolicy": _one_more(stage), "WakingAlarm": _somebody_waits(stage)}


def _one_more(stage: Scaled) -> Resource:
    return resource(
        "ApplicationAutoScaling::ScalingPolicy",
        PolicyName=f"{stage.name}-waking",
        PolicyType="StepScaling",
        ScalingTargetId=ref(TARGET),
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Average",
            "Cooldown": 300,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )


def _somebody_waits(stage: Scaled) -> Resource:
    return resource(
        "CloudWatch::Alarm",
        AlarmDescription=f"Requests wait for {stage.name}, which has no instance",
        Namespace=NAMESPACE,
        MetricName="HasBacklogWithoutCapacity",
        Statistic="Average",
        Dimensions=dimensions(EndpointName=stage.name),
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Threshold=1,
        Period=MINUTE,
        EvaluationPeriods=2,
        TreatMissingData="missing",
        AlarmActions=[ref("WakingPolicy")],
        Tags=tag_list(stage, PER_ALARM),
    )
