"""What is known of a stack: its resources, its events, its change sets."""

import secrets
import string
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aws.stand_in.cloudformation.template import Template


def now() -> datetime:
    """Return the time of an event."""
    return datetime.now(UTC)


@dataclass
class Resource:
    """One resource that was made, or began to be."""

    logical_id: str
    kind: str
    properties: dict[str, Any] = field(default_factory=dict)
    physical_id: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    retain: bool = False
    status: str = ""
    reason: str = ""
    timestamp: datetime = field(default_factory=now)


@dataclass
class Version:
    """What a stack is, or shall become."""

    template: Template
    parameters: dict[str, str]
    tags: dict[str, str]


@dataclass
class ChangeSet:
    """A version that may be executed once."""

    name: str
    arn: str
    version: Version
    changes: list[dict[str, Any]]
    status: str
    reason: str | None
    execution_status: str
    description: str | None = None
    created: datetime = field(default_factory=now)


@dataclass
class Stack:
    """A stack, from its first change set on; it stays known when it is deleted."""

    name: str
    arn: str
    status: str
    version: Version | None = None
    reason: str | None = None
    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    created: datetime = field(default_factory=now)
    updated: datetime | None = None
    deleted: datetime | None = None

    @property
    def region(self) -> str:
        """Return the region in its ARN."""
        return self.arn.split(":")[3]

    def pseudo(self) -> dict[str, str]:
        """Return the pseudo-parameters."""
        _, partition, _, region, account, _ = self.arn.split(":", 5)
        return {
            "AWS::AccountId": account,
            "AWS::Region": region,
            "AWS::Partition": partition,
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": self.name,
            "AWS::StackId": self.arn,
        }

    def generated_name(self, logical_id: str) -> str:
        """Return a name for a resource that has none of its own: at most 63 characters, as SageMaker's."""
        suffix = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(12))
        return f"{self.name[:25]}-{logical_id[:24]}-{suffix}"

    def become(self, status: str, reason: str | None = None) -> None:
        """Change the status, and tell of it."""
        self.status, self.reason = status, reason
        self.tell(self.name, self.arn, "AWS::CloudFormation::Stack", status, reason)

    def note(self, resource: Resource, status: str, reason: str = "") -> None:
        """Change the status of a resource, and tell of it."""
        resource.status, resource.reason, resource.timestamp = status, reason, now()
        self.tell(resource.logical_id, resource.physical_id, resource.kind, status, reason or None)

    def tell(self, logical_id: str, physical_id: str, kind: str, status: str, reason: str | None) -> None:
        """Append an event."""
        self.events.append(
            {
                "StackId": self.arn,
                "StackName": self.name,
                "EventId": str(uuid.uuid4()),
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": physical_id,
                "ResourceType": kind,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
                "Timestamp": now(),
            }
        )
