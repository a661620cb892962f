"""AWS::SageMaker::Model, EndpointConfig and Endpoint."""

import time
from typing import Any

from aws.stand_in.cloudformation.fitting import ResourceError
from aws.stand_in.cloudformation.resources.base import Handler, forgiving, without
from aws.stand_in.cloudformation.stacks import Resource

POLL = 0.2  # seconds


class Named(Handler):
    """A resource of SageMaker that never changes, its tags aside."""

    service = "sagemaker"
    noun: str

    def make(self, resource: Resource, name: str) -> None:
        """Create it."""
        made = self.call(f"Create{self.noun}", {f"{self.noun}Name": name, **resource.properties})
        self.know(resource, name, made[f"{self.noun}Arn"])

    def know(self, resource: Resource, name: str, arn: str) -> None:
        """Set the identifier and the attributes."""
        resource.physical_id = arn
        resource.attributes = {f"{self.noun}Name": name, f"{self.noun}Arn": arn, "Id": arn}

    def change(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Change the tags."""
        old = [tag["Key"] for tag in resource.properties.get("Tags", [])]
        if old:
            self.call("DeleteTags", {"ResourceArn": resource.physical_id, "TagKeys": old})
        self.call("AddTags", {"ResourceArn": resource.physical_id, "Tags": properties.get("Tags", [])})

    def remove(self, resource: Resource) -> None:
        """Delete it."""
        name = f"{self.noun}Name"
        try:
            self.call(f"Delete{self.noun}", {name: resource.attributes[name]})
        except ResourceError as error:
            forgiving(error, "Could not find")


class Model(Named):
    """A model."""

    noun, name_property = "Model", "ModelName"


class EndpointConfig(Named):
    """An endpoint configuration."""

    noun, name_property = "EndpointConfig", "EndpointConfigName"


class Endpoint(Named):
    """An endpoint: made and changed when it is in service, or it has failed."""

    noun, name_property = "Endpoint", "EndpointName"
    update_only = (
        "DeploymentConfig",
        "RetainAllVariantProperties",
        "ExcludeRetainedVariantProperties",
        "RetainDeploymentConfig",
    )

    def make(self, resource: Resource, name: str) -> None:
        """Create it, and wait for it."""
        asked = without(resource.properties, "EndpointName", *self.update_only[1:])
        made = self.call("CreateEndpoint", {"EndpointName": name, **asked})
        self.know(resource, name, made["EndpointArn"])
        self.wait(resource)

    def change(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Update it if it is to have another configuration, and wait for it."""
        if properties.get("Tags", []) != resource.properties.get("Tags", []):
            super().change(resource, properties)
        wanted = properties["EndpointConfigName"]
        if self.wait(resource, failure_counts=False)["EndpointConfigName"] != wanted:
            asked = {name: properties[name] for name in self.update_only if name in properties}
            self.call("UpdateEndpoint", {**self.name_of(resource), "EndpointConfigName": wanted, **asked})
            self.wait(resource)

    def remove(self, resource: Resource) -> None:
        """Delete it, and wait until it is gone."""
        super().remove(resource)
        try:
            while True:
                self.call("DescribeEndpoint", self.name_of(resource))
                time.sleep(POLL)
        except ResourceError as error:
            forgiving(error, "Could not find")

    def name_of(self, resource: Resource) -> dict[str, str]:
        """Return its name as a parameter."""
        return {"EndpointName": resource.attributes["EndpointName"]}

    def wait(self, resource: Resource, *, failure_counts: bool = True) -> dict[str, Any]:
        """Wait until it changes no more; raise `ResourceError` if it failed."""
        while (about := self.call("DescribeEndpoint", self.name_of(resource)))["EndpointStatus"].endswith("ing"):
            time.sleep(POLL)
        if failure_counts and (reason := about.get("FailureReason")):
            raise ResourceError(reason)
        return about
