"""A template as it was written: YAML or JSON, its sections, and what of them is understood here."""

from typing import Any

import yaml

SECTIONS = {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Conditions", "Resources", "Outputs"}
RESOURCE = {"Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "Metadata"}


class TemplateError(Exception):
    """The template, or what it was given, makes no sense; the message is CloudFormation's."""


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms; dates stay text, as in a policy's Version."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own way to say it)
        first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def intrinsic(loader: Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    """Return the long form of `!Name value`."""
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


Loader.add_multi_constructor("!", intrinsic)


class Template:
    """The sections, each a dictionary; two templates of the same text are the same."""

    def __init__(self, body: str):
        self.body = body
        try:
            read = yaml.load(body, Loader)
        except yaml.YAMLError as error:
            raise TemplateError(f"Template format error: YAML not well-formed. {error}") from error
        if not isinstance(read, dict) or not read.get("Resources"):
            raise TemplateError("Template format error: At least one Resources member must be defined.")
        if strange := set(read) - SECTIONS:
            raise TemplateError(f"Invalid template property or properties {sorted(strange)}")
        self.description: str = read.get("Description", "")
        self.parameters: dict[str, dict[str, Any]] = read.get("Parameters") or {}
        self.conditions: dict[str, Any] = read.get("Conditions") or {}
        self.resources: dict[str, dict[str, Any]] = read["Resources"]
        self.outputs: dict[str, dict[str, Any]] = read.get("Outputs") or {}
        for logical_id, resource in self.resources.items():
            if strange := set(resource) - RESOURCE:
                raise TemplateError(f"Invalid template resource property '{min(strange)}' of {logical_id}")
            if "Type" not in resource:
                raise TemplateError(f"Template format error: [/Resources/{logical_id}] must have a Type.")
