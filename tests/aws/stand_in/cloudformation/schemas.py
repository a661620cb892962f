"""AWS's own schemas of resource types, as cfn-lint carries them: what is required, and what asks for a replacement."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cfnlint.schema import ResourceNotFoundError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

REGION = "us-east-1"
PYTHON: Mapping[str, type] = {"array": list, "object": dict}  # the types that are not read from text


@dataclass(frozen=True)
class Schema:
    """What is asked of one type: of its properties at the top, whose JSON types `properties` has."""

    properties: Mapping[str, Any]
    required: frozenset[str]
    create_only: frozenset[str]
    read_only: frozenset[str]

    def complaints(self, properties: Mapping[str, Any]) -> list[str]:
        """Return what CloudFormation would find wrong before it makes anything."""
        missing = [f"#: required key [{name}] not found" for name in sorted(self.required - set(properties))]
        strange = sorted(set(properties) - (set(self.properties) - self.read_only))
        unlike = [
            f"#/{name}: expected type: {self.properties[name]}, found: {value!r}"
            for name, value in properties.items()
            if not isinstance(value, PYTHON.get(self.properties.get(name, ""), object))
        ]
        return [*missing, *(f"#: extraneous key [{name}] is not permitted" for name in strange), *unlike]


@cache
def schema_of(kind: str) -> Schema | None:
    """Return a type's schema, None if AWS has no such type."""
    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    except ResourceNotFoundError:
        return None
    return Schema(
        {
            name: about["type"] if isinstance(about.get("type"), str) else ""
            for name, about in schema["properties"].items()
        },
        frozenset(schema.get("required") or ()),
        names(schema.get("createOnlyProperties")),
        names(schema.get("readOnlyProperties")),
    )


def names(pointers: list[str] | None) -> frozenset[str]:
    """Return the properties at the top that JSON pointers name."""
    return frozenset(pointer.split("/")[2] for pointer in pointers or () if pointer.count("/") == 2)
