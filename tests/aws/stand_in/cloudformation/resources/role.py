"""AWS::IAM::Role, with its inline and its managed policies."""

import json
from typing import Any

from aws.stand_in.cloudformation.resources.base import Handler, without
from aws.stand_in.cloudformation.stacks import Resource

APART = ("RoleName", "AssumeRolePolicyDocument", "Policies", "ManagedPolicyArns")


class Role(Handler):
    """A role."""

    service, name_property = "iam", "RoleName"

    def make(self, resource: Resource, name: str) -> None:
        """Create it, and give it its policies."""
        properties = resource.properties
        trust = json.dumps(properties["AssumeRolePolicyDocument"])
        asked = {**without(properties, *APART), "RoleName": name, "AssumeRolePolicyDocument": trust}
        role = self.call("CreateRole", asked)["Role"]
        resource.physical_id = name
        resource.attributes = {"Arn": role["Arn"], "RoleId": role["RoleId"]}
        self.give(name, properties)

    def give(self, name: str, properties: dict[str, Any]) -> None:
        """Give it its policies."""
        for policy in properties.get("Policies", []):
            document = {"PolicyName": policy["PolicyName"], "PolicyDocument": json.dumps(policy["PolicyDocument"])}
            self.call("PutRolePolicy", {"RoleName": name, **document})
        for arn in properties.get("ManagedPolicyArns", []):
            self.call("AttachRolePolicy", {"RoleName": name, "PolicyArn": arn})

    def take(self, resource: Resource) -> None:
        """Take its policies away: all that it has, for a change may have ended halfway."""
        role = {"RoleName": resource.physical_id}
        for name in self.call("ListRolePolicies", role)["PolicyNames"]:
            self.call("DeleteRolePolicy", {**role, "PolicyName": name})
        for policy in self.call("ListAttachedRolePolicies", role)["AttachedPolicies"]:
            self.call("DetachRolePolicy", {**role, "PolicyArn": policy["PolicyArn"]})

    def change(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Give it the other policies, trust and description."""
        role = {"RoleName": resource.physical_id}
        trust = json.dumps(properties["AssumeRolePolicyDocument"])
        self.call("UpdateAssumeRolePolicy", {**role, "PolicyDocument": trust})
        self.call("UpdateRole", {**role, **without(properties, *APART, "Tags", "Path", "PermissionsBoundary")})
        self.retag(resource, properties)
        self.take(resource)
        self.give(resource.physical_id, properties)

    def retag(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Give it the other tags."""
        role = {"RoleName": resource.physical_id}
        self.call("UntagRole", {**role, "TagKeys": [tag["Key"] for tag in resource.properties.get("Tags", [])]})
        self.call("TagRole", {**role, "Tags": properties.get("Tags", [])})

    def remove(self, resource: Resource) -> None:
        """Delete it, its policies first."""
        self.take(resource)
        self.call("DeleteRole", {"RoleName": resource.physical_id})
