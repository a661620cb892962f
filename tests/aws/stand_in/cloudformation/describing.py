"""What CloudFormation's API says of stacks, change sets and resources."""

from typing import Any

from aws.stand_in.cloudformation.stacks import ChangeSet, Resource, Stack


def pairs(values: dict[str, str], key: str, value: str) -> list[dict[str, str]]:
    """Return a dictionary as AWS writes one."""
    return [{key: name, value: item} for name, item in values.items()]


def stack_of(stack: Stack) -> dict[str, Any]:
    """Describe a stack."""
    version = stack.version
    return {
        **summary_of(stack),
        "Description": version.template.description if version else None,
        "Parameters": pairs(version.parameters, "ParameterKey", "ParameterValue") if version else [],
        "Tags": pairs(version.tags, "Key", "Value") if version else [],
        "Outputs": stack.outputs,
        "DisableRollback": False,
        "EnableTerminationProtection": False,
    }


def summary_of(stack: Stack) -> dict[str, Any]:
    """Describe a stack in short."""
    return {
        "StackId": stack.arn,
        "StackName": stack.name,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason,
        "CreationTime": stack.created,
        "LastUpdatedTime": stack.updated,
        "DeletionTime": stack.deleted,
    }


def resource_of(stack: Stack, resource: Resource) -> dict[str, Any]:
    """Describe a resource; its three descriptions in the API name the time differently."""
    return {
        "StackId": stack.arn,
        "StackName": stack.name,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.kind,
        "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.reason or None,
        "Timestamp": resource.timestamp,
        "LastUpdatedTimestamp": resource.timestamp,
    }


def change_set_of(stack: Stack, change_set: ChangeSet) -> dict[str, Any]:
    """Describe a change set."""
    version = change_set.version
    return {
        "ChangeSetName": change_set.name,
        "ChangeSetId": change_set.arn,
        "StackId": stack.arn,
        "StackName": stack.name,
        "Description": change_set.description,
        "Parameters": pairs(version.parameters, "ParameterKey", "ParameterValue"),
        "Tags": pairs(version.tags, "Key", "Value"),
        "CreationTime": change_set.created,
        "ExecutionStatus": change_set.execution_status,
        "Status": change_set.status,
        "StatusReason": change_set.reason,
        "Changes": change_set.changes,
    }
