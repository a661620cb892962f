"""A stage as a CloudFormation template: concrete, without parameters or conditions."""

import json
from typing import Any

from deploy.facts import Facts
from deploy.stack.resources import Resources, attribute, ref
from deploy.stack.resources.alarms import alarms
from deploy.stack.resources.endpoint import endpoint_and_configuration
from deploy.stack.resources.model import role_and_model
from deploy.stack.resources.scaling import scaling
from deploy.stack.resources.topics import topics
from deploy.stack.tags import cost_note
from deploy.stage.kinds import BatchStage, Stage

Template = dict[str, Any]

SCALING = "AWS::ApplicationAutoScaling::"


def render(stage: Stage, facts: Facts) -> Template:
    """Return the stage's template: the same stage and facts give the same."""
    hears, watches = topics(stage), alarms(stage)
    resources = {
        **role_and_model(stage, facts, hears),
        **hears,
        **watches,
        **endpoint_and_configuration(stage, facts, hears, watches),
        **scaling(stage),
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{stage.name} ({stage.kind}): {cost_note(stage)}",
        "Resources": resources,
        "Outputs": outputs(stage, hears),
    }


def outputs(stage: Stage, hears: Resources) -> dict[str, Any]:
    """Return what callers of the stage need to know."""
    named = {"ModelName": {"Value": attribute("Model", "ModelName")}}
    if not isinstance(stage, BatchStage):
        named["EndpointName"] = {"Value": attribute("Endpoint", "EndpointName")}
    return {**named, **{topic: {"Value": ref(topic)} for topic in hears}}


def as_text(template: Template) -> str:
    """Return the template as it is sent, printed and compared."""
    return json.dumps(template, indent=2, ensure_ascii=False)


def is_scaled(template: Template) -> bool:
    """Tell whether something in it scales the endpoint."""
    return any(_scales(resource) for resource in template["Resources"].values())


def without_scaling(template: Template) -> Template:
    """Return the template without what scales the endpoint, and without the alarms that call for it."""
    resources = template["Resources"]
    gone = {name for name, resource in resources.items() if _scales(resource)}
    gone |= {name for name, resource in resources.items() if _calls(resource, gone)}
    return {**template, "Resources": {name: part for name, part in resources.items() if name not in gone}}


def _scales(resource: dict[str, Any]) -> bool:
    return str(resource["Type"]).startswith(SCALING)


def _calls(resource: dict[str, Any], policies: set[str]) -> bool:
    return any(action.get("Ref") in policies for action in resource.get("Properties", {}).get("AlarmActions", ()))


def instance_type(template: Template) -> str | None:
    """Return the type of the endpoint's instances, None where there are none."""
    configuration = template["Resources"].get("EndpointConfig")
    if not configuration:
        return None
    (variant,) = configuration["Properties"]["ProductionVariants"]
    return str(variant["InstanceType"]) if "InstanceType" in variant else None
