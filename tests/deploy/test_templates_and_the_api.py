"""What CloudFormation would hand on to each service is what the service's own model takes."""

import re

import botocore.session
import pytest
from botocore.validate import ParamValidator

from deploy.stack.template import render
from sample_stages import OPTIONS, facts_of, stage_of

OPERATIONS = {
    "AWS::SageMaker::Model": [("sagemaker", "CreateModel", {"ModelName": "byoc-abalone-Model-1A2B"}, ())],
    "AWS::SageMaker::EndpointConfig": [
        ("sagemaker", "CreateEndpointConfig", {"EndpointConfigName": "byoc-abalone-EndpointConfig-1A2B"}, ())
    ],
    "AWS::SageMaker::Endpoint": [
        ("sagemaker", "CreateEndpoint", {}, ("RetainAllVariantProperties", "ExcludeRetainedVariantProperties")),
        ("sagemaker", "UpdateEndpoint", {}, ("Tags",)),
    ],
    "AWS::CloudWatch::Alarm": [("cloudwatch", "PutMetricAlarm", {"AlarmName": "byoc-abalone-Alarm-1A2B"}, ())],
    "AWS::ApplicationAutoScaling::ScalableTarget": [("application-autoscaling", "RegisterScalableTarget", {}, ())],
    "AWS::ApplicationAutoScaling::ScalingPolicy": [
        (
            "application-autoscaling",
            "PutScalingPolicy",
            {
                "ServiceNamespace": "sagemaker",
                "ResourceId": "endpoint/abalone/variant/AllTraffic",
                "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
            },
            ("ScalingTargetId",),
        )
    ],
}
CLASSES = (r"\p{L}\p{Z}\p{N}", r"\w\s")  # Java's words for them, and Python's
PRINTABLE = ("uD800", r"\p{Print}")  # in patterns that are about nothing but what can be printed
NAMED = "arn:aws:sns:eu-west-1:123456789012:{}-1A2B"
ATTRIBUTES = {
    "Role.Arn": "arn:aws:iam::123456789012:role/byoc/abalone/0a1b2c3d/byoc-abalone-Role-1A2B",
    "Model.ModelName": "byoc-abalone-Model-1A2B",
    "EndpointConfig.EndpointConfigName": "byoc-abalone-EndpointConfig-1A2B",
}


def resolved(value):
    """Return a value as CloudFormation hands it to a service."""
    match value:
        case {"Ref": name}:
            return NAMED.format(name) if name.endswith("Topic") else f"byoc-abalone-{name}-1A2B"
        case {"Fn::GetAtt": parts}:
            return ATTRIBUTES[".".join(parts)]
        case dict():
            return {name: resolved(inner) for name, inner in value.items()}
        case list():
            return [resolved(inner) for inner in value]
    return value


def faults(value, shape, where=""):
    """Yield what botocore's own validation does not look at: sets, patterns, and the largest."""
    match shape.type_name:
        case "structure":
            for name, inner in value.items():
                yield from faults(inner, shape.members[name], f"{where}.{name}")
        case "list":
            yield from too_large(len(value), shape, where)
            for inner in value:
                yield from faults(inner, shape.member, f"{where}[]")
        case "map":
            yield from too_large(len(value), shape, where)
            for name, inner in value.items():
                yield from faults(name, shape.key, where)
                yield from faults(inner, shape.value, f"{where}.{name}")
        case "string":
            yield from too_large(len(value), shape, where)
            yield from wrong_words(value, shape, where)
        case "integer" | "long" | "float" | "double":
            yield from too_large(value, shape, where)


def too_large(size, shape, where):
    if size > shape.metadata.get("max", size):
        yield f"{where}: {size} is more than {shape.metadata['max']}"


def wrong_words(value, shape, where):
    pattern = shape.metadata.get("pattern", ".*")
    if any(mark in pattern for mark in PRINTABLE):
        pattern = ".*"
    if not re.fullmatch(pattern.replace(*CLASSES), value, re.DOTALL):
        yield f"{where}: {value!r} does not match {pattern}"
    if getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{where}: {value!r} is none of {shape.enum}"


def wrong_with(service, operation, parameters):
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape
    report = ParamValidator().validate(parameters, shape).generate_report()
    return [report] if report else list(faults(parameters, shape))


@pytest.mark.parametrize("option", OPTIONS)
def test_the_service_behind_each_resource_would_take_its_properties(option):
    asked, stage = [], stage_of(option)
    for resource in render(stage, facts_of(stage))["Resources"].values():
        for service, operation, more, without in OPERATIONS.get(resource["Type"], ()):
            known = {name: value for name, value in resource["Properties"].items() if name not in without}
            assert wrong_with(service, operation, {**resolved(known), **more}) == []
            asked.append(operation)
    assert asked[0] == "CreateModel"
    assert ("UpdateEndpoint" in asked) == (not option.startswith("batch"))


def test_the_check_of_properties_finds_faults():
    parameters = {
        "EndpointName": "abalone-",
        "EndpointConfigName": "x",
        "Tags": [{"Key": "note", "Value": "a, b"}],
        "DeploymentConfig": {
            "BlueGreenUpdatePolicy": {
                "MaximumExecutionTimeoutInSeconds": 60_000,
                "TrafficRoutingConfiguration": {"Type": "SLOWLY", "WaitIntervalInSeconds": 0},
            }
        },
    }

    found = wrong_with("sagemaker", "CreateEndpoint", parameters)

    assert [fault.partition(":")[0] for fault in found] == [
        ".EndpointName",
        ".Tags[].Value",
        ".DeploymentConfig.BlueGreenUpdatePolicy.MaximumExecutionTimeoutInSeconds",
        ".DeploymentConfig.BlueGreenUpdatePolicy.TrafficRoutingConfiguration.Type",
    ]
    assert "missing" in wrong_with("sagemaker", "CreateEndpoint", {}).pop().lower()
