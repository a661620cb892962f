"""What makes an update go back: errors, and answers that take too long."""

from typing import Any

from deploy.stack.resources import NAMESPACE, VARIANT, Resource, Resources, attribute, resource
from deploy.stack.tags import PER_ALARM, tag_list
from deploy.stage.kinds import BatchStage, Stage

ERRORS, LATENCY = "ErrorsAlarm", "LatencyAlarm"
MINUTE = 60


def alarms(stage: Stage) -> Resources:
    """Return the alarms that watch an endpoint."""
    if isinstance(stage, BatchStage):
        return {}
    microseconds = stage.alarms.latency_ms * 1000  # the metric's unit
    return {
        ERRORS: _alarm(
            stage,
            f"{stage.alarms.errors} or more answers of {stage.name} in a minute were errors of ours (5xx)",
            MetricName="Invocation5XXErrors",
            Statistic="Sum",
            Threshold=stage.alarms.errors,
        ),
        LATENCY: _alarm(
            stage,
            f"1 in 100 answers of {stage.name} in a minute took {stage.alarms.latency_ms} ms or more",
            MetricName="ModelLatency",
            ExtendedStatistic="p99",
            Threshold=microseconds,
        ),
    }


def _alarm(stage: Stage, description: str, **metric: Any) -> Resource:
    return resource(
        "CloudWatch::Alarm",
        AlarmDescription=description,
        Namespace=NAMESPACE,
        **metric,
        Dimensions=dimensions(
            EndpointName=stage.name,
            VariantName=VARIANT,
            # The new fleet alone: if the old one's errors counted, no update could mend them.
            EndpointConfigName=attribute("EndpointConfig", "EndpointConfigName"),
        ),
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Period=MINUTE,
        EvaluationPeriods=1,
        TreatMissingData="notBreaching",  # no requests, no errors
        Tags=tag_list(stage, PER_ALARM),
    )


def dimensions(**values: Any) -> list[dict[str, Any]]:
    """Return a metric's dimensions."""
    return [{"Name": name, "Value": value} for name, value in values.items()]
