"""Change sets: what CloudFormation would do to a stack, before it does it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from deploy.errors import Refused
from deploy.progress import Clock
from deploy.stack.tags import as_list
from deploy.stack.template import Template

LARGEST = 51_200  # bytes of a template that is sent with the request
POLL = 2.0  # seconds
NOTHING = ("didn't contain changes", "No updates are to be performed")
SIGNS = {"Add": "+", "Modify": "~", "Remove": "-"}


@dataclass(frozen=True)
class Change:
    """
    What would happen to a resource.

    Attributes:
        action: `Add`, `Modify` or `Remove`.
        replacement: `True`, `False`, or `Conditional` where CloudFormation cannot know yet.
        properties: that differ, as far as they are named.
    """

    action: str
    logical_id: str
    kind: str
    replacement: str = "False"
    properties: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the line that is shown."""
        line = f"{SIGNS.get(self.action, self.action)} {self.logical_id} {self.kind}"
        if self.properties:
            line += f" ({', '.join(self.properties)})"
        return line + {"True": ": replaced by a new one", "Conditional": ": perhaps replaced"}.get(self.replacement, "")


def parameters(stack: str, template: Template, tags: Mapping[str, str], *, new: bool) -> dict[str, Any]:
    """Return what CloudFormation is asked for; raise `Refused` if that would be too large."""
    return {
        "StackName": stack,
        "ChangeSetType": "CREATE" if new else "UPDATE",
        "TemplateBody": _body(template),
        "Capabilities": ["CAPABILITY_IAM"],
        "Tags": as_list(tags),
    }


def _body(template: Template) -> str:
    body = json.dumps(template, separators=(",", ":"), ensure_ascii=False)
    if (size := len(body.encode())) > LARGEST:
        raise Refused(
            f"The template has {size:,} bytes, and CloudFormation takes {LARGEST:,}.",
            "Fewer or shorter environment variables make it smaller; what is large belongs in the model folder.",
        )
    return body


class ChangeSet:
    """
    A change set of a stack; it is removed at the end, unless it was executed.

    Attributes:
        stack_id: the stack's ARN, by which it is known even when it is gone.
        changes: what it would do; nothing if the stack is as it should be.
        executed: whether it was.
    """

    def __init__(self, client: Any, clock: Clock, parameters: Mapping[str, Any]):
        self._client = client
        self._clock = clock
        self.executed = False
        made = client.create_change_set(ChangeSetName=f"deploy-{clock.now():%Y%m%d-%H%M%S}", **parameters)
        self._arn = made["Id"]
        self.stack_id: str = made["StackId"]
        self.changes: Sequence[Change] = ()

    def __enter__(self) -> Self:
        """Wait for CloudFormation's comparison; raise `Refused` with its reason if it cannot compare."""
        try:
            self.changes = self._compared()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        if not self.executed:
            self._remove()

    def execute(self) -> None:
        """Have CloudFormation do it."""
        self._client.execute_change_set(ChangeSetName=self._arn)
        self.executed = True

    def _compared(self) -> Sequence[Change]:
        while (about := self._describe())["Status"] in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}:
            self._clock.sleep(POLL)
        if about["Status"] == "CREATE_COMPLETE":
            return [_change(item["ResourceChange"]) for page in self._pages() for item in page.get("Changes", ())]
        reason = about.get("StatusReason", "")
        if any(words in reason for words in NOTHING):
            return []
        raise Refused("CloudFormation does not take the template:", reason or about["Status"])

    def _describe(self) -> dict[str, Any]:
        about: dict[str, Any] = self._client.describe_change_set(ChangeSetName=self._arn)
        return about

    def _pages(self) -> Iterator[dict[str, Any]]:
        yield from self._client.get_paginator("describe_change_set").paginate(ChangeSetName=self._arn)

    def _remove(self) -> None:
        self._client.delete_change_set(ChangeSetName=self._arn)


def _change(told: Mapping[str, Any]) -> Change:
    targets = (detail.get("Target", {}) for detail in told.get("Details", ()))
    names = dict.fromkeys(target.get("Name") or target.get("Attribute", "") for target in targets)
    return Change(
        told["Action"],
        told["LogicalResourceId"],
        told["ResourceType"],
        told.get("Replacement", "False"),
        tuple(filter(None, names)),
    )
