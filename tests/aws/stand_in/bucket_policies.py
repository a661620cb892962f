"""Bucket policies, as far as moto does not understand them: it denies what a Deny names, whatever its condition."""

import json

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket

UNENCRYPTED = {"Bool": {"aws:SecureTransport": "false"}}  # never true of whoever talks to itself on one machine


def understand_transport() -> None:
    """Let moto's buckets leave out of account what is said of unencrypted requests."""

    def get_permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
        policy = without_transport(bucket.policy)
        if policy is None:
            return PermissionResult.NEUTRAL
        return IAMPolicy(policy.decode()).is_action_permitted(action, resource)

    FakeBucket.get_permission = get_permission


def without_transport(policy: bytes | None) -> bytes | None:
    """Return the policy without what it says of unencrypted requests, None if nothing is left."""
    said = json.loads(policy) if policy else {"Statement": []}
    left = [statement for statement in said["Statement"] if statement.get("Condition") != UNENCRYPTED]
    return json.dumps({**said, "Statement": left}).encode() if left else None
