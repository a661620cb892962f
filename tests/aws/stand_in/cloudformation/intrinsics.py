"""The values of a template: references, functions and conditions."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from aws.stand_in.cloudformation.parameters import text
from aws.stand_in.cloudformation.template import Template, TemplateError

PLACE = re.compile(r"\$\{(!?)([^}]+)\}")
NO_VALUE = object()  # AWS::NoValue: whatever holds it goes without it
Lookup = Callable[[str, str | None], Any]  # logical id, attribute or None for Ref


class Values:
    """What a template's expressions come to, given its parameters and where its resources are looked up."""

    def __init__(self, template: Template, parameters: Mapping[str, str], pseudo: Mapping[str, str], lookup: Lookup):
        self.template = template
        self.parameters = parameters
        self.pseudo = pseudo
        self.lookup = lookup
        self.functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self.ref,
            "Condition": self.condition,
            "Fn::GetAtt": lambda argument: self.attribute(*argument),
            "Fn::Sub": self.sub,
            "Fn::If": self.choose,
            "Fn::Equals": lambda pair: text(self.resolve(pair[0])) == text(self.resolve(pair[1])),
            "Fn::Not": lambda one: not self.resolve(one[0]),
            "Fn::And": lambda several: all(map(self.resolve, several)),
            "Fn::Or": lambda several: any(map(self.resolve, several)),
            "Fn::Join": lambda pair: pair[0].join(map(text, self.resolve(pair[1]))),
            "Fn::Split": lambda pair: text(self.resolve(pair[1])).split(pair[0]),
            "Fn::Select": lambda pair: self.resolve(pair[1])[int(self.resolve(pair[0]))],
        }

    def resolve(self, value: Any) -> Any:
        """Return the value without expressions."""
        if isinstance(value, list):
            return [found for item in value if (found := self.resolve(item)) is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if self.is_function(name, argument):
                return self.functions[name](argument)
        resolved = {name: self.resolve(item) for name, item in value.items()}
        return {name: item for name, item in resolved.items() if item is not NO_VALUE}

    def is_function(self, name: str, argument: Any) -> bool:
        """Tell whether a dictionary of one item is an expression; policies have a Condition of their own."""
        if name.startswith("Fn::") and name not in self.functions:
            raise TemplateError(f"the stand-in for CloudFormation does not know {name}")
        return name in self.functions and (name != "Condition" or isinstance(argument, str))

    def ref(self, name: str) -> Any:
        """Return a parameter, a pseudo-parameter or a resource's identifier."""
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.parameters:
            value = self.parameters[name]
            kind = self.template.parameters[name].get("Type", "String")
            is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
            return [part.strip() for part in value.split(",")] if is_list else value
        return self.attribute(name, None)

    def attribute(self, logical_id: str, name: str | None) -> Any:
        """Return an attribute of a resource, or its identifier."""
        if not self.exists(logical_id):
            raise TemplateError(
                f"Template format error: Unresolved resource dependencies [{logical_id}] "
                "in the Resources block of the template"
            )
        return self.lookup(logical_id, name)

    def exists(self, logical_id: str) -> bool:
        """Tell whether the template has the resource, and its condition holds."""
        resource = self.template.resources.get(logical_id)
        return resource is not None and ("Condition" not in resource or self.condition(resource["Condition"]))

    def condition(self, name: str) -> bool:
        """Tell whether a condition holds."""
        if name not in self.template.conditions:
            raise TemplateError(f"Template format error: Unresolved condition dependency {name}")
        return bool(self.resolve(self.template.conditions[name]))

    def choose(self, argument: list[Any]) -> Any:
        """Return the branch that the condition takes."""
        name, then, otherwise = argument
        return self.resolve(then if self.condition(name) else otherwise)

    def sub(self, argument: Any) -> str:
        """Return the text with its places filled."""
        template, given = argument if isinstance(argument, list) else (argument, {})

        def fill(place: re.Match[str]) -> str:
            literal, name = place.groups()
            if literal:
                return f"${{{name}}}"
            if name in given:
                return text(self.resolve(given[name]))
            logical_id, dot, attribute = name.strip().partition(".")
            return text(self.attribute(logical_id, attribute) if dot else self.ref(logical_id))

        return PLACE.sub(fill, template)

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Return the properties of a resource."""
        return self.resolve(self.template.resources[logical_id].get("Properties") or {})


def order(template: Template, parameters: Mapping[str, str], pseudo: Mapping[str, str]) -> list[str]:
    """Return the resources that there will be, each after those that it needs."""
    needed: set[str] = set()

    def take_note(logical_id: str, attribute: str | None) -> str:
        needed.add(logical_id)
        return f"<{logical_id}.{attribute}>"

    values = Values(template, parameters, pseudo, take_note)
    waiting: dict[str, set[str]] = {}
    for logical_id in filter(values.exists, template.resources):
        needed.clear()
        values.properties(logical_id)
        explicit = template.resources[logical_id].get("DependsOn") or []
        explicit = [explicit] if isinstance(explicit, str) else explicit
        waiting[logical_id] = needed | set(filter(values.exists, explicit))
    return sorted_by_need(waiting)


def sorted_by_need(waiting: dict[str, set[str]]) -> list[str]:
    """Return the keys, each after those in its set."""
    done: list[str] = []
    while waiting:
        ready = [one for one, needs in waiting.items() if needs <= set(done)]
        if not ready:
            raise TemplateError(f"Circular dependency between resources: [{', '.join(sorted(waiting))}]")
        done += ready
        waiting = {one: needs for one, needs in waiting.items() if one not in ready}
    return done
