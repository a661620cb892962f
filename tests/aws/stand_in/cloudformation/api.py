"""CloudFormation's own API: what it accepts, and what it says of stacks."""

from moto.cloudformation.exceptions import AlreadyExistsException, ValidationError
from moto.core.responses import ActionResult, EmptyResult

from aws.stand_in.cloudformation.asked import InvalidChangeSetStatus, Request
from aws.stand_in.cloudformation.describing import change_set_of, resource_of, stack_of, summary_of


class CloudFormation(Request):
    """The operations; each request is one object."""

    # -- change sets

    def create_change_set(self) -> ActionResult:
        """Say what a template would do; of type CREATE it begins a stack."""
        self.refuse_what_is_not_understood()
        kind, name = self._get_param("ChangeSetType", "UPDATE"), self._get_param("StackName")
        stack = self.store.living(self.region, name)
        if kind == "CREATE":
            if stack is not None and stack.status != "REVIEW_IN_PROGRESS":
                raise ValidationError(message=f"Stack [{name}] already exists and cannot be created again with the "
                                      f"changeSet [{self._get_param('ChangeSetName')}].")  # fmt: skip
        else:
            stack = self.updatable()
        version = self.version(stack)
        if stack is None:
            stack = self.store.begin(self.region, self.current_account, name)
        change_set = self.store.propose(
            stack, self._get_param("ChangeSetName"), version, self._get_param("Description")
        )
        return ActionResult({"Id": change_set.arn, "StackId": stack.arn})

    def describe_change_set(self) -> ActionResult:
        """Say what a change set would do."""
        stack, change_set = self.change_set()
        return ActionResult(change_set_of(stack, change_set))

    def list_change_sets(self) -> ActionResult:
        """List the change sets that were not executed."""
        stack = self.stack()
        return ActionResult({"Summaries": [change_set_of(stack, one) for one in stack.change_sets.values()]})

    def execute_change_set(self) -> ActionResult:
        """Begin to do it."""
        stack, change_set = self.change_set()
        if change_set.execution_status != "AVAILABLE":
            raise InvalidChangeSetStatus(
                f"ChangeSet [{change_set.arn}] cannot be executed in its current status of [{change_set.status}]"
            )
        self.store.execute(stack, change_set.version)
        return EmptyResult()

    def delete_change_set(self) -> ActionResult:
        """Forget it."""
        stack, change_set = self.change_set()
        del stack.change_sets[change_set.name]
        return EmptyResult()

    # -- stacks

    def create_stack(self) -> ActionResult:
        """Make a stack at once."""
        self.refuse_what_is_not_understood()
        name = self._get_param("StackName")
        if self.store.living(self.region, name):
            raise AlreadyExistsException(f"Stack [{name}] already exists")
        version = self.version(None)
        stack = self.store.begin(self.region, self.current_account, name)
        self.store.propose(stack, "create", version, None)
        self.store.execute(stack, version)
        return ActionResult({"StackId": stack.arn})

    def update_stack(self) -> ActionResult:
        """Change a stack at once."""
        self.refuse_what_is_not_understood()
        stack = self.updatable()
        version = self.version(stack)
        change_set = self.store.propose(stack, "update", version, None)
        if change_set.status == "FAILED":
            del stack.change_sets["update"]
            raise ValidationError(message="No updates are to be performed.")
        self.store.execute(stack, version)
        return ActionResult({"StackId": stack.arn})

    def delete_stack(self) -> ActionResult:
        """Begin to remove a stack; one that there is not is no error."""
        stack = self.store.living(self.region, self._get_param("StackName"))
        if stack is not None:
            self.store.delete(stack)
        return EmptyResult()

    def describe_stacks(self) -> ActionResult:
        """Say what stacks are."""
        name = self._get_param("StackName")
        stacks = [self.stack()] if name else self.store.all_living(self.region)
        return ActionResult({"Stacks": [stack_of(stack) for stack in stacks]})

    def list_stacks(self) -> ActionResult:
        """List stacks, those that are gone too."""
        wanted = self._get_param("StackStatusFilter") or []
        stacks = [stack for stack in self.store.all(self.region) if not wanted or stack.status in wanted]
        return ActionResult({"StackSummaries": [summary_of(stack) for stack in stacks]})

    def describe_stack_events(self) -> ActionResult:
        """Say what happened, the newest first."""
        return ActionResult({"StackEvents": self.stack().events[::-1]})

    def describe_stack_resources(self) -> ActionResult:
        """Say what a stack consists of."""
        stack, wanted = self.stack(), self._get_param("LogicalResourceId")
        resources = [resource_of(stack, one) for one in stack.resources.values() if wanted in {None, one.logical_id}]
        return ActionResult({"StackResources": resources})

    def list_stack_resources(self) -> ActionResult:
        """Say the same in short."""
        stack = self.stack()
        return ActionResult({"StackResourceSummaries": [resource_of(stack, one) for one in stack.resources.values()]})

    def describe_stack_resource(self) -> ActionResult:
        """Say what one resource is."""
        stack, wanted = self.stack(), self._get_param("LogicalResourceId")
        if wanted not in stack.resources:
            raise ValidationError(message=f"Resource {wanted} does not exist for stack {stack.name}")
        return ActionResult({"StackResourceDetail": resource_of(stack, stack.resources[wanted])})

    def get_template(self) -> ActionResult:
        """Return the template as it was given."""
        stack = self.stack()
        version = stack.version or next(iter(stack.change_sets.values())).version
        return ActionResult({"TemplateBody": version.template.body, "StagesAvailable": ["Original", "Processed"]})

    def validate_template(self) -> ActionResult:
        """Read a template."""
        template = self.template()
        parameters = [
            {"ParameterKey": name, "DefaultValue": about.get("Default"), "Description": about.get("Description")}
            for name, about in template.parameters.items()
        ]
        return ActionResult({"Description": template.description, "Parameters": parameters})
