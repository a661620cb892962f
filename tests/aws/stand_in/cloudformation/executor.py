"""Makes a stack what a version wants, and what it was if that fails."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aws.stand_in.cloudformation.fitting import ResourceError
from aws.stand_in.cloudformation.planning import Wanted, actual, differing, is_replaced, schema
from aws.stand_in.cloudformation.resources import HANDLERS
from aws.stand_in.cloudformation.resources.base import Handler
from aws.stand_in.cloudformation.stacks import Resource, Stack, Version, now
from aws.stand_in.cloudformation.template import TemplateError


@dataclass
class Journal:
    """What an update did, for its clean-up or its rollback."""

    before: dict[str, Resource]
    made: list[Resource] = field(default_factory=list)
    changed: list[tuple[Resource, dict[str, Any]]] = field(default_factory=list)  # with the properties before
    replaced: list[Resource] = field(default_factory=list)


class Failed(Exception):
    """A resource failed; it is noted in the events."""


class Executor:
    """Executes; *clients* returns boto3 clients of a region."""

    def __init__(self, clients: Callable[[str], Callable[[str], Any]]):
        self.clients = clients

    def handler(self, stack: Stack, kind: str) -> Handler:
        """Return what handles a type."""
        return HANDLERS[kind](self.clients(stack.region))

    def create(self, stack: Stack, version: Version) -> None:
        """Make everything; remove all of it if anything fails."""
        stack.become("CREATE_IN_PROGRESS", "User Initiated")
        try:
            self.apply(stack, version, Journal({}))
        except Failed as failure:
            reason = f"The following resource(s) failed to create: [{failure}]. Rollback requested by user."
            stack.become("ROLLBACK_IN_PROGRESS", reason)
            complete = self.remove_all(stack, list(stack.resources.values()))
            stack.become("ROLLBACK_COMPLETE" if complete else "ROLLBACK_FAILED")
        else:
            stack.become("CREATE_COMPLETE")

    def update(self, stack: Stack, version: Version) -> None:
        """Make what is new, change what differs, then remove what is gone; undo it if anything fails."""
        stack.become("UPDATE_IN_PROGRESS", "User Initiated")
        journal = Journal(dict(stack.resources))
        stack.updated = now()
        try:
            wanted = self.apply(stack, version, journal)
        except Failed as failure:
            self.roll_back(stack, journal, str(failure))
            return
        gone = [resource for name, resource in journal.before.items() if name not in wanted.order]
        stack.become("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self.remove_all(stack, gone + journal.replaced)
        stack.become("UPDATE_COMPLETE")

    def apply(self, stack: Stack, version: Version, journal: Journal) -> Wanted:
        """Make and change; the version and the outputs become the stack's at the end."""
        wanted = Wanted(stack, version, lambda logical_id, attribute: actual(stack, logical_id, attribute))
        for logical_id in wanted.order:
            self.bring_about(stack, wanted, logical_id, journal)
        stack.outputs = wanted.outputs()
        stack.version = version
        return wanted

    def bring_about(self, stack: Stack, wanted: Wanted, logical_id: str, journal: Journal) -> None:
        """Make one resource what it should be; raise `Failed`."""
        kind, declared = wanted.kind(logical_id), wanted.version.template.resources[logical_id]
        resource = stack.resources.get(logical_id)
        verb = "CREATE" if resource is None else "UPDATE"
        try:
            properties = wanted.properties(logical_id)
            if resource is None or is_replaced(resource, kind, differing(resource, properties)):
                old, retain = resource, declared.get("DeletionPolicy") == "Retain"
                resource = Resource(logical_id, kind, properties, retain=retain)
                self.make(stack, resource, old, journal)
            elif differing(resource, properties):
                self.change(stack, resource, properties, journal)
        except (ResourceError, TemplateError) as error:
            failed = resource or Resource(logical_id, kind)
            stack.note(failed, f"{verb}_FAILED", str(error))
            raise Failed(logical_id) from error

    def make(self, stack: Stack, resource: Resource, old: Resource | None, journal: Journal) -> None:
        """Make a resource, be it in the place of an old one, which is removed at the end."""
        handler = self.handler(stack, resource.kind)
        name = resource.properties.get(handler.name_property or "") or stack.generated_name(resource.logical_id)
        verb, reason = "CREATE", ""
        if old is not None:
            verb, reason = (
                "UPDATE",
                "Requested update requires the creation of a new physical resource; hence creating one.",
            )
            if handler.name_property and old.properties.get(handler.name_property) == name:
                raise ResourceError(
                    "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                    f"Rename {name} and update the stack again."
                )
            journal.replaced.append(old)
        stack.note(resource, f"{verb}_IN_PROGRESS", reason)
        if complaints := schema(resource.kind).complaints(resource.properties):
            raise ResourceError(
                f"Properties validation failed for resource {resource.logical_id} with message: {complaints[0]}"
            )
        stack.resources[resource.logical_id] = resource
        journal.made.append(resource)
        handler.make(resource, name)
        stack.note(resource, f"{verb}_COMPLETE")

    def change(self, stack: Stack, resource: Resource, properties: dict[str, Any], journal: Journal) -> None:
        """Change a resource in its place."""
        stack.note(resource, "UPDATE_IN_PROGRESS")
        journal.changed.append((resource, resource.properties))
        self.handler(stack, resource.kind).change(resource, properties)
        resource.properties = properties
        stack.note(resource, "UPDATE_COMPLETE")

    def roll_back(self, stack: Stack, journal: Journal, failed: str) -> None:
        """Undo an update: what was changed first, then what was made."""
        reason = f"The following resource(s) failed to update: [{failed}]."
        stack.become("UPDATE_ROLLBACK_IN_PROGRESS", reason)
        stack.resources = journal.before
        try:
            for resource, before in reversed(journal.changed):
                stack.note(resource, "UPDATE_IN_PROGRESS")
                self.handler(stack, resource.kind).change(resource, before)
                resource.properties = before
                stack.note(resource, "UPDATE_COMPLETE")
        except ResourceError as error:
            stack.note(resource, "UPDATE_FAILED", str(error))
            stack.become(
                "UPDATE_ROLLBACK_FAILED", f"The following resource(s) failed to update: [{resource.logical_id}]."
            )
            return
        stack.become("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self.remove_all(stack, journal.made, forget=False)
        stack.become("UPDATE_ROLLBACK_COMPLETE")

    def delete(self, stack: Stack) -> None:
        """Remove everything that is not to be retained."""
        stack.become("DELETE_IN_PROGRESS", "User Initiated")
        if self.remove_all(stack, list(stack.resources.values())):
            stack.deleted = now()
            stack.become("DELETE_COMPLETE")
        else:
            stack.become(
                "DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(stack.resources)}]."
            )

    def remove_all(self, stack: Stack, resources: list[Resource], *, forget: bool = True) -> bool:
        """Remove resources, the last made first; tell whether all are gone."""
        complete = True
        for resource in reversed(resources):
            if self.remove(stack, resource):
                if forget and stack.resources.get(resource.logical_id) is resource:
                    del stack.resources[resource.logical_id]
            else:
                complete = False
        return complete

    def remove(self, stack: Stack, resource: Resource) -> bool:
        """Remove one resource, if there is anything to remove."""
        if resource.retain:
            stack.note(resource, "DELETE_SKIPPED")
            return True
        stack.note(resource, "DELETE_IN_PROGRESS")
        try:
            if resource.physical_id:
                self.handler(stack, resource.kind).remove(resource)
        except ResourceError as error:
            stack.note(resource, "DELETE_FAILED", str(error))
            return False
        stack.note(resource, "DELETE_COMPLETE")
        return True
