"""The parameters of a template: which are given, which are missing, which break a constraint."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aws.stand_in.cloudformation.template import Template, TemplateError


def values_of(template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """Return every parameter's text; raise `TemplateError` in CloudFormation's words."""
    if unknown := sorted(set(given) - set(template.parameters)):
        raise TemplateError(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    defaults = {name: text(about["Default"]) for name, about in template.parameters.items() if "Default" in about}
    values = {**defaults, **given}
    if missing := [name for name in template.parameters if name not in values]:
        raise TemplateError(f"Parameters: [{', '.join(missing)}] must have values")
    for name, about in template.parameters.items():
        if complaint := next(complaints(values[name], about), None):
            description = about.get("ConstraintDescription")
            raise TemplateError(f"Parameter '{name}' {f'must satisfy: {description}' if description else complaint}")
    return values


def complaints(value: str, about: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a value."""
    if "AllowedValues" in about and value not in map(text, about["AllowedValues"]):
        yield f"must be one of AllowedValues [{', '.join(map(text, about['AllowedValues']))}]"
    if "AllowedPattern" in about and not re.fullmatch(about["AllowedPattern"], value):
        yield f"must match pattern {about['AllowedPattern']}"
    if len(value) < about.get("MinLength", 0):
        yield f"must contain at least {about['MinLength']} characters"
    if "MaxLength" in about and len(value) > about["MaxLength"]:
        yield f"must contain at most {about['MaxLength']} characters"
    if about.get("Type") == "Number":
        yield from complaints_about_number(value, about)


def complaints_about_number(value: str, about: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a number."""
    try:
        number = float(value)
    except ValueError:
        yield "must be a number"
        return
    if number < about.get("MinValue", number):
        yield f"must be a number not less than {about['MinValue']}"
    if number > about.get("MaxValue", number):
        yield f"must be a number not greater than {about['MaxValue']}"


def text(value: Any) -> str:
    """Return a scalar as CloudFormation writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
