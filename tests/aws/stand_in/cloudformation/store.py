"""All stacks, those that are gone too, and the threads that change them."""

import threading
import traceback
import uuid
from collections.abc import Callable

from moto.cloudformation.exceptions import ValidationError

from aws.stand_in.cloudformation.executor import Executor
from aws.stand_in.cloudformation.planning import Wanted, actual, plan
from aws.stand_in.cloudformation.stacks import ChangeSet, Stack, Version
from aws.stand_in.cloudformation.template import TemplateError

NO_CHANGE = "The submitted information didn't contain changes. Submit different information to create a change set."


class Store:
    """The stacks of every region."""

    def __init__(self, executor: Executor, say: Callable[[str], None]):
        self.executor = executor
        self.say = say
        self.stacks: list[Stack] = []

    def all(self, region: str) -> list[Stack]:
        """Return the stacks of a region."""
        return [stack for stack in self.stacks if stack.region == region]

    def all_living(self, region: str) -> list[Stack]:
        """Return those that are not deleted."""
        return [stack for stack in self.all(region) if stack.status != "DELETE_COMPLETE"]

    def living(self, region: str, name: str) -> Stack | None:
        """Return a stack by its name or its id."""
        return next((stack for stack in self.all_living(region) if name in {stack.name, stack.arn}), None)

    def by_arn(self, arn: str) -> Stack | None:
        """Return a stack by its id alone."""
        return next((stack for stack in self.stacks if stack.arn == arn), None)

    def begin(self, region: str, account: str, name: str) -> Stack:
        """Return a new stack that has nothing yet."""
        arn = f"arn:aws:cloudformation:{region}:{account}:stack/{name}/{uuid.uuid4()}"
        stack = Stack(name, arn, "")
        stack.become("REVIEW_IN_PROGRESS", "User Initiated")
        self.stacks.append(stack)
        return stack

    def propose(self, stack: Stack, name: str, version: Version, description: str | None) -> ChangeSet:
        """Compare the version with the stack."""
        try:
            changes = plan(stack, version)
        except TemplateError as error:
            if stack.version is None:
                self.stacks.remove(stack)
            raise ValidationError(message=str(error)) from error
        differs = bool(changes) or self.outputs_differ(stack, version)
        status, reason = ("CREATE_COMPLETE", None) if differs else ("FAILED", NO_CHANGE)
        arn = stack.arn.replace(":stack/", ":changeSet/").rsplit("/", 2)[0] + f"/{name}/{uuid.uuid4()}"
        executable = "AVAILABLE" if differs else "UNAVAILABLE"
        change_set = ChangeSet(name, arn, version, changes, status, reason, executable, description)
        stack.change_sets[name] = change_set
        return change_set

    def outputs_differ(self, stack: Stack, version: Version) -> bool:
        """Tell whether the outputs would differ, of a stack whose resources do not."""
        wanted = Wanted(stack, version, lambda logical_id, attribute: actual(stack, logical_id, attribute))
        return stack.version is None or wanted.outputs() != stack.outputs

    def execute(self, stack: Stack, version: Version) -> None:
        """Begin to bring a version about."""
        stack.change_sets.clear()
        if stack.version is None:
            stack.version = version
            self.begin_work(stack, "CREATE_IN_PROGRESS", lambda: self.executor.create(stack, version))
        else:
            self.begin_work(stack, "UPDATE_IN_PROGRESS", lambda: self.executor.update(stack, version))

    def delete(self, stack: Stack) -> None:
        """Begin to remove a stack."""
        if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
            raise ValidationError(message=f"Stack [{stack.name}] cannot be deleted while in status {stack.status}")
        self.begin_work(stack, "DELETE_IN_PROGRESS", lambda: self.executor.delete(stack))

    def begin_work(self, stack: Stack, status: str, work: Callable[[], None]) -> None:
        """Work in a thread; a fault of ours is said, and seen in the stack."""
        stack.status = status

        def attempt() -> None:
            try:
                work()
            except Exception as error:
                self.say(f"{stack.name}: {traceback.format_exc()}")
                stack.become(status.replace("IN_PROGRESS", "FAILED"), f"the stand-in failed: {error!r}")

        threading.Thread(target=attempt, daemon=True).start()
