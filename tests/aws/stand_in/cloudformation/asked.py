"""What a request to CloudFormation names: the stack, the change set, the template and its parameters."""

from collections.abc import Mapping

from moto.cloudformation.exceptions import CloudFormationError, ValidationError
from moto.core.responses import BaseResponse

from aws.stand_in.cloudformation.parameters import values_of
from aws.stand_in.cloudformation.planning import check_types
from aws.stand_in.cloudformation.stacks import ChangeSet, Stack, Version
from aws.stand_in.cloudformation.store import Store
from aws.stand_in.cloudformation.template import Template, TemplateError

UNDERSTOOD = {
    "CreateChangeSet": {"StackName", "ChangeSetName", "ChangeSetType", "TemplateBody", "UsePreviousTemplate",
                        "Parameters", "Capabilities", "Tags", "Description", "ClientToken"},
    "CreateStack": {"StackName", "TemplateBody", "Parameters", "Capabilities", "Tags", "ClientRequestToken"},
    "UpdateStack": {"StackName", "TemplateBody", "UsePreviousTemplate", "Parameters", "Capabilities", "Tags",
                    "ClientRequestToken"},
}  # fmt: skip


class InsufficientCapabilities(CloudFormationError):
    """The template makes roles, and nobody said that it may."""

    code = "InsufficientCapabilitiesException"


class ChangeSetNotFound(CloudFormationError):
    """There is no such change set."""

    code = "ChangeSetNotFound"


class InvalidChangeSetStatus(CloudFormationError):
    """A change set cannot be executed."""

    code = "InvalidChangeSetStatus"


class Request(BaseResponse):
    """One request."""

    def __init__(self, store: Store):
        super().__init__(service_name="cloudformation")
        self.automated_parameter_parsing = True
        self.store = store

    def refuse_what_is_not_understood(self) -> None:
        """Raise `ValidationError` for options that would otherwise be passed over."""
        strange = set(self.params) - UNDERSTOOD[self._get_action()]
        if strange:
            raise ValidationError(message=f"the stand-in for CloudFormation does not know {', '.join(sorted(strange))}")

    def stack(self) -> Stack:
        """Return the stack: by name one that is there, by id also one that is gone."""
        name = self._get_param("StackName")
        stack = self.store.living(self.region, name) or self.store.by_arn(name)
        if stack is None:
            raise ValidationError(message=f"Stack with id {name} does not exist")
        return stack

    def updatable(self) -> Stack:
        """Return the stack if it may be updated."""
        name = self._get_param("StackName")
        stack = self.store.living(self.region, name)
        if stack is None:
            raise ValidationError(message=f"Stack [{name}] does not exist")
        if stack.status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}:
            raise ValidationError(message=f"Stack:{stack.arn} is in {stack.status} state and can not be updated.")
        return stack

    def change_set(self) -> tuple[Stack, ChangeSet]:
        """Return the change set, named by name and stack, or by its ARN."""
        name = self._get_param("ChangeSetName")
        stacks = [self.stack()] if self._get_param("StackName") else self.store.all(self.region)
        for stack in stacks:
            for change_set in stack.change_sets.values():
                if name in {change_set.name, change_set.arn}:
                    return stack, change_set
        raise ChangeSetNotFound(f"ChangeSet [{name}] does not exist")

    def template(self) -> Template:
        """Return the template of the request."""
        try:
            template = Template(self._get_param("TemplateBody") or "")
            check_types(template)
        except TemplateError as error:
            raise ValidationError(message=str(error)) from error
        return template

    def version(self, stack: Stack | None) -> Version:
        """Return what the request asks for; raise `ValidationError` if that makes no sense."""
        before = stack.version if stack else None
        template = before.template if before and self._get_bool_param("UsePreviousTemplate") else self.template()
        self.require_capabilities(template)
        tags = self._get_param("Tags")
        kept = before.tags if before and tags is None else {}
        try:
            parameters = values_of(template, self.parameters(before.parameters if before else {}))
        except TemplateError as error:
            raise ValidationError(message=str(error)) from error
        return Version(template, parameters, kept | {tag["Key"]: tag["Value"] for tag in tags or []})

    def parameters(self, before: Mapping[str, str]) -> dict[str, str]:
        """Return the parameters of the request."""
        given = {}
        for parameter in self._get_param("Parameters") or []:
            key = parameter["ParameterKey"]
            given[key] = before[key] if parameter.get("UsePreviousValue") else parameter["ParameterValue"]
        return given

    def require_capabilities(self, template: Template) -> None:
        """Raise if the template makes roles without leave."""
        roles = [resource for resource in template.resources.values() if resource["Type"].startswith("AWS::IAM::")]
        named = any("RoleName" in resource.get("Properties", {}) for resource in roles)
        enough = {"CAPABILITY_NAMED_IAM"} if named else {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"}
        if roles and not enough.intersection(self._get_param("Capabilities") or []):
            raise InsufficientCapabilities(f"Requires capabilities : [{min(enough)}]")
