"""A stage's resources, each as CloudFormation's template wants it: one module for each that goes together."""

from typing import Any

Resource = dict[str, Any]
Resources = dict[str, Resource]

VARIANT = "AllTraffic"  # never another: guardrails and autoscaling know a variant by its name
NAMESPACE = "AWS/SageMaker"


def resource(kind: str, **properties: Any) -> Resource:
    """Return a resource with those of the properties that are not None."""
    return {"Type": f"AWS::{kind}", "Properties": given(**properties)}


def given(**values: Any) -> dict[str, Any]:
    """Return those of the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def ref(logical_id: str) -> dict[str, str]:
    """Return what stands for a resource."""
    return {"Ref": logical_id}


def attribute(logical_id: str, name: str) -> dict[str, list[str]]:
    """Return what stands for an attribute of a resource."""
    return {"Fn::GetAtt": [logical_id, name]}
