"""What CloudFormation tells of a stack while it works, and what of that was the reason for a failure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

STACK = "AWS::CloudFormation::Stack"
BEGINNINGS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
FOLLOWS = "cancelled"  # a resource that was left alone because another had failed


@dataclass(frozen=True)
class Event:
    """One line of a stack's history."""

    when: datetime
    logical_id: str
    kind: str
    status: str
    reason: str

    @property
    def is_failure(self) -> bool:
        """Tell whether something failed for a reason of its own."""
        own = self.kind != STACK and FOLLOWS not in self.reason
        return own and self.status.endswith("FAILED")

    def __str__(self) -> str:
        """Return the line that is shown; the time is UTC's, as in the logs."""
        why = f": {self.reason}" if self.is_failure and self.reason else ""
        return f"{self.when:%H:%M:%S} {self.logical_id} {self.kind} {self.status}{why}"


class Events:
    """A stack's events, each once; those of the time before are passed over."""

    def __init__(self, client: Any, stack: str):
        self._client = client
        self._stack = stack
        self._last = next((event["EventId"] for event in newest_first(self._client, self._stack)), None)

    def new(self) -> list[Event]:
        """Return what happened since the last time, in its order."""
        fresh: list[dict[str, Any]] = []
        for event in newest_first(self._client, self._stack):
            if event["EventId"] == self._last:
                break
            fresh.append(event)
        if fresh:
            self._last = fresh[0]["EventId"]
        return [_event(one) for one in reversed(fresh)]


def newest_first(client: Any, stack: str) -> Iterator[dict[str, Any]]:
    """Yield a stack's events, as CloudFormation tells them."""
    for page in client.get_paginator("describe_stack_events").paginate(StackName=stack):
        yield from page["StackEvents"]


def last_operation(client: Any, stack: str) -> list[Event]:
    """Return what happened since somebody last asked for something, in its order."""
    happened: list[Event] = []
    for told in newest_first(client, stack):
        event = _event(told)
        happened.append(event)
        if event.kind == STACK and event.status in BEGINNINGS:
            break
    return happened[::-1]


def _event(told: dict[str, Any]) -> Event:
    return Event(
        told["Timestamp"].astimezone(UTC),
        told["LogicalResourceId"],
        told["ResourceType"],
        told["ResourceStatus"],
        told.get("ResourceStatusReason") or "",
    )


def reasons(events: Iterable[Event]) -> list[str]:
    """Return why something failed, what came first first."""
    return [
        f"{event.logical_id} ({event.kind}): {event.reason or event.status}" for event in events if event.is_failure
    ]
