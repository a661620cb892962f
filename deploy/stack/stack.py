"""A CloudFormation stack: the only thing that makes, changes and removes a stage's resources."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from botocore.exceptions import ClientError

from deploy.errors import Refused
from deploy.progress import Clock, Say, say
from deploy.stack.change_sets import Change, ChangeSet, parameters
from deploy.stack.events import Event, Events, last_operation, reasons
from deploy.stack.patience import patiently
from deploy.stack.refusals import Refusals
from deploy.stack.tags import PREFIX
from deploy.stack.template import Template

POLL = 5.0  # seconds

ABSENT = "ABSENT"  # ours: CloudFormation has no word for it
REVIEW = "REVIEW_IN_PROGRESS"  # a change set was made for it, and nothing else
DELETING = "DELETE_IN_PROGRESS"
DEAD = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")  # all that can be done is to delete it
GOOD = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
GONE = (ABSENT, "DELETE_COMPLETE")


class Stack:
    """
    The stack of a stage, by the stage's name.

    Attributes:
        prefix: what the stack's name begins with, before the stage's.
        owner: what `make` calls the one whose stack it is.
    """

    prefix = PREFIX
    owner = "STAGE"

    def __init__(self, client: Any, stage: str, say: Say = say, clock: Clock | None = None):
        self._client = client
        self.say = say
        self._clock = clock or Clock()
        self.name = self.prefix + stage
        self.region: str = client.meta.region_name
        self._refusals = Refusals(self.name, stage, self.region, self.owner)

    # -- what there is

    def status(self, stack: str | None = None) -> str:
        """Return CloudFormation's word for how the stack is, or `ABSENT`."""
        return str(self._about(stack).get("StackStatus", ABSENT))

    def exists(self) -> bool:
        """Tell whether the stack has resources, or had."""
        return self.status() not in (ABSENT, REVIEW)

    def is_live(self) -> bool:
        """Tell whether the stack can be updated; what a failed first try left cannot."""
        return self.status() not in (ABSENT, REVIEW, *DEAD)

    def tags(self) -> dict[str, str]:
        """Return the stack's tags."""
        return {tag["Key"]: tag["Value"] for tag in self._about().get("Tags", ())}

    def outputs(self) -> dict[str, str]:
        """Return the values that the template names."""
        return {one["OutputKey"]: one["OutputValue"] for one in self._about().get("Outputs", ())}

    def template(self) -> Template:
        """Return the template that the stack was last made of."""
        body = self._client.get_template(StackName=self.name, TemplateStage="Original")["TemplateBody"]
        return dict(body)

    def resources(self) -> dict[str, str]:
        """Return the resources' own names by those in the template."""
        told = self._client.describe_stack_resources(StackName=self.name)["StackResources"]
        return {one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in told}

    def _about(self, stack: str | None = None) -> dict[str, Any]:
        """Return CloudFormation's description, empty if there is no such stack."""
        try:
            (about,) = self._client.describe_stacks(StackName=stack or self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return {}
        return dict(about)

    # -- what can be done to it

    def require_rest(self) -> str:
        """Return the status; raise `Refused` if nothing can be done to the stack now."""
        status = self.status()
        if status.endswith("_IN_PROGRESS") and status != REVIEW:
            raise self._refusals.busy(status)
        if status == "UPDATE_ROLLBACK_FAILED":
            raise self._refusals.stuck(reasons(last_operation(self._client, self.name)))
        if status == "DELETE_FAILED":
            raise self._refusals.half_removed()
        return status

    def plan(self, template: Template, tags: Mapping[str, str]) -> Sequence[Change]:
        """Return what `apply` would change, in the template's order, and change nothing."""
        status = self.require_rest()
        if status in DEAD:
            self.say(f"{self.name} is what a failed try left ({status}); it would be removed first.")
            return [Change("Add", name, part["Type"]) for name, part in template["Resources"].items()]
        places = {name: place for place, name in enumerate(template["Resources"])}
        with self._change_set(template, tags, status) as change_set:
            return sorted(change_set.changes, key=lambda change: places.get(change.logical_id, len(places)))

    def apply(self, template: Template, tags: Mapping[str, str]) -> bool:
        """
        Make the stack what the template says, and tell whether anything had to be done.

        Raises:
            Refused: if it could not be done; what there was before is there again.
        """
        status = self.require_rest()
        if status in DEAD:
            self.say(f"{self.name} is what a failed try left ({status}); removing it first.")
            self.delete()
            status = ABSENT
        with self._change_set(template, tags, status) as change_set:
            if change_set.changes:
                self._execute(change_set)
                return True
        self.say(f"{self.name} is as it should be: nothing to change.")
        return False

    def delete(self) -> bool:
        """Remove the stack and all that is in it; tell whether there was one."""
        about = self._about()
        if not about:
            return False
        before, stack_id = about["StackStatus"], about["StackId"]
        if before.endswith("_IN_PROGRESS") and before not in (DELETING, REVIEW):
            raise self._refusals.busy(before)
        events = Events(self._client, stack_id)
        if before != DELETING:
            self._client.delete_stack(StackName=stack_id)
        status, happened = self._wait(stack_id, events)
        if status not in GONE:
            raise self._refusals.not_removed(status, reasons(happened))
        return bool(before != REVIEW)

    # -- how

    @contextmanager
    def _change_set(self, template: Template, tags: Mapping[str, str], status: str) -> Iterator[ChangeSet]:
        """Yield a change set of the stack; of one that is not there yet, nothing stays if it is not executed."""
        asked = parameters(self.name, template, tags, new=status in (ABSENT, REVIEW))
        try:
            change_set = ChangeSet(self._client, self._clock, asked)
        except ClientError as error:
            if "_IN_PROGRESS state" not in str(error):
                raise
            raise self._refusals.busy(self.status()) from error  # somebody was quicker
        try:
            with change_set:
                yield change_set
        finally:
            if status == ABSENT and not change_set.executed:
                self._forget(change_set.stack_id)

    def _forget(self, stack_id: str) -> None:
        """Remove a stack of which there was only a plan, and wait: until it is gone, no other can be made."""
        self._client.delete_stack(StackName=stack_id)
        while patiently(lambda: self.status(stack_id), self._clock) in (REVIEW, DELETING):
            self._clock.sleep(POLL)

    def _execute(self, change_set: ChangeSet) -> None:
        """Do it, and wait; raise `Refused` with the reasons if it failed."""
        events = Events(self._client, change_set.stack_id)
        change_set.execute()
        status, happened = self._wait(change_set.stack_id, events)
        if status in GOOD:
            return
        why = reasons(happened)
        if status == "UPDATE_ROLLBACK_FAILED":
            raise self._refusals.stuck(why)
        if status in GONE:
            raise self._refusals.gone()
        if status in DEAD:
            self._clear_away(self._refusals.not_created(status, why))
        raise self._refusals.not_updated(status, why)

    def _clear_away(self, refused: Refused) -> NoReturn:
        """Remove what a first try left, and raise why it failed."""
        try:
            self.delete()
        except Refused as left:
            raise Refused(*refused.lines, *left.lines) from None
        raise refused

    def _wait(self, stack_id: str, events: Events) -> tuple[str, list[Event]]:
        """Say what happens until the stack changes no more; return its status and all that happened."""
        happened: list[Event] = []
        try:
            while True:
                status = patiently(lambda: self.status(stack_id), self._clock)
                for event in patiently(events.new, self._clock) if status != ABSENT else ():
                    self.say(str(event))
                    happened.append(event)
                if not status.endswith("_IN_PROGRESS"):
                    return status, happened
                self._clock.sleep(POLL)
        except KeyboardInterrupt:
            raise self._refusals.no_longer_waiting() from None
