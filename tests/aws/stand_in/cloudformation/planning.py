"""What a version of a template asks of a stack: which resources it adds, changes, replaces and removes."""

from collections.abc import Iterator, Mapping
from typing import Any

from aws.stand_in.cloudformation.intrinsics import Lookup, Values, order
from aws.stand_in.cloudformation.resources import HANDLERS
from aws.stand_in.cloudformation.schemas import Schema, schema_of
from aws.stand_in.cloudformation.stacks import Resource, Stack, Version
from aws.stand_in.cloudformation.template import Template, TemplateError

LATER = "{{changeSet:KNOWN_AFTER_APPLY}}"


class Wanted:
    """What the version wants of each resource; *lookup* says what the others are."""

    def __init__(self, stack: Stack, version: Version, lookup: Lookup):
        self.version = version
        self.values = Values(version.template, version.parameters, stack.pseudo(), lookup)
        self.order = order(version.template, version.parameters, stack.pseudo())

    def kind(self, logical_id: str) -> str:
        """Return the type of a resource."""
        return self.version.template.resources[logical_id]["Type"]

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Return the properties, with the stack's tags."""
        properties = self.values.properties(logical_id)
        if self.version.tags and HANDLERS[self.kind(logical_id)].taggable:
            tags = {**self.version.tags, **{tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}}
            properties["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        return properties

    def outputs(self) -> list[dict[str, Any]]:
        """Return the outputs whose conditions hold."""
        return [
            {
                "OutputKey": key,
                "OutputValue": str(self.values.resolve(output["Value"])),
                "Description": output.get("Description"),
            }
            for key, output in self.version.template.outputs.items()
            if "Condition" not in output or self.values.condition(output["Condition"])
        ]


def check_types(template: Template) -> None:
    """Raise `TemplateError` for types that AWS does not have, and for those that this stand-in does not make."""
    kinds = sorted({resource["Type"] for resource in template.resources.values()})
    if unknown := [kind for kind in kinds if schema_of(kind) is None]:
        raise TemplateError(f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]")
    if unmade := [kind for kind in kinds if kind not in HANDLERS]:
        raise TemplateError(f"the stand-in for CloudFormation does not make {', '.join(unmade)}")


def schema(kind: str) -> Schema:
    """Return the schema of a type that there is."""
    found = schema_of(kind)
    if found is None:
        raise TemplateError(f"Template format error: Unrecognized resource types: [{kind}]")
    return found


def differing(resource: Resource, properties: Mapping[str, Any]) -> list[str]:
    """Return the names of the properties that differ."""
    old = resource.properties
    return sorted(name for name in {*old, *properties} if old.get(name) != properties.get(name))


def is_replaced(resource: Resource, kind: str, changed: list[str]) -> bool:
    """Tell whether a change asks for a new resource."""
    return resource.kind != kind or bool(schema(kind).create_only.intersection(changed))


def plan(stack: Stack, version: Version) -> list[dict[str, Any]]:
    """Return the changes as DescribeChangeSet has them."""
    unknown: set[str] = set()

    def lookup(logical_id: str, attribute: str | None) -> Any:
        if logical_id in unknown or logical_id not in stack.resources:
            return LATER
        return actual(stack, logical_id, attribute)

    wanted = Wanted(stack, version, lookup)
    changes = []
    for logical_id in wanted.order:
        kind, properties = wanted.kind(logical_id), wanted.properties(logical_id)
        resource = stack.resources.get(logical_id)
        if resource is None:
            changes.append(change("Add", Resource(logical_id, kind)))
        elif (changed := differing(resource, properties)) or resource.kind != kind:
            replaced = is_replaced(resource, kind, changed)
            unknown.update({logical_id} if replaced else ())
            changes.append(modification(resource, kind, {name: properties.get(name) for name in changed}))
    gone = [stack.resources[name] for name in stack.resources if name not in wanted.order]
    return changes + [change("Remove", resource) for resource in gone]


def modification(resource: Resource, kind: str, changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Modify: its replacement is certain only if a property that asks for one is known to differ."""
    details = list(details_of(kind, changed))
    recreating = [detail for detail in details if detail["Target"]["RequiresRecreation"] == "Always"]
    certain = resource.kind != kind or any(detail["Evaluation"] == "Static" for detail in recreating)
    replacement = "True" if certain else "Conditional" if recreating else "False"
    return change("Modify", resource, Replacement=replacement, Scope=sorted(scope(changed)), Details=details)


def details_of(kind: str, changed: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what DescribeChangeSet says of each property."""
    for name, value in changed.items():
        dynamic = LATER in str(value)
        recreation = "Always" if name in schema(kind).create_only else "Never"
        attribute = {"Attribute": "Tags"} if name == "Tags" else {"Attribute": "Properties", "Name": name}
        yield {
            "Target": {**attribute, "RequiresRecreation": recreation},
            "Evaluation": "Dynamic" if dynamic else "Static",
            "ChangeSource": "ResourceAttribute" if dynamic else "DirectModification",
        }


def scope(changed: Mapping[str, Any]) -> set[str]:
    """Return which parts of a resource change."""
    return {"Tags" if name == "Tags" else "Properties" for name in changed}


def change(action: str, resource: Resource, **more: Any) -> dict[str, Any]:
    """Return one entry of the list."""
    about = {
        "Action": action,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id or None,
        "ResourceType": resource.kind,
        "Scope": [],
        "Details": [],
        **more,
    }
    return {"Type": "Resource", "ResourceChange": about}


def actual(stack: Stack, logical_id: str, attribute: str | None) -> str:
    """Return what a resource's Ref or attribute is now."""
    resource = stack.resources[logical_id]
    if attribute is None:
        return resource.physical_id
    if attribute not in resource.attributes:
        raise TemplateError(
            f"Template error: resource {logical_id} does not support attribute type {attribute} in Fn::GetAtt"
        )
    return resource.attributes[attribute]
