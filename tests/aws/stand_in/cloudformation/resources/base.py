"""What every resource type can do, and how it calls its service."""

from collections.abc import Callable, Mapping
from typing import Any

from aws.stand_in.cloudformation.fitting import ResourceError, call
from aws.stand_in.cloudformation.stacks import Resource

Clients = Callable[[str], Any]


class Handler:
    """
    How CloudFormation makes, changes and removes the resources of one type.

    `make` sets the resource's identifier as soon as there is something to remove.
    """

    service: str
    name_property: str | None = None
    taggable = True  # the stack's tags are put on it

    def __init__(self, clients: Clients):
        self.clients = clients

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Call the service."""
        return call(self.clients(self.service), operation, parameters)

    def make(self, resource: Resource, name: str) -> None:
        """Make what `resource.properties` says, under the name."""
        raise NotImplementedError

    def change(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Make it as *properties* say; nothing that asks for a replacement differs."""
        raise NotImplementedError

    def remove(self, resource: Resource) -> None:
        """Remove it."""
        raise NotImplementedError


def without(properties: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the properties but these."""
    return {name: value for name, value in properties.items() if name not in names}


def forgiving(error: ResourceError, *words: str) -> None:
    """Raise the error again, unless it says that there is nothing to remove."""
    if not any(word in str(error) for word in words):
        raise error
