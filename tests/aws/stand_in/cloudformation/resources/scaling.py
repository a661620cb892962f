"""AWS::ApplicationAutoScaling::ScalableTarget and ScalingPolicy."""

from typing import Any

from aws.stand_in.cloudformation.fitting import ResourceError
from aws.stand_in.cloudformation.resources.base import Handler, forgiving, without
from aws.stand_in.cloudformation.stacks import Resource

PLACE = ("ResourceId", "ScalableDimension", "ServiceNamespace")


class ScalableTarget(Handler):
    """A variant that may be scaled; its identifier names the three parts of the place."""

    service = "application-autoscaling"
    taggable = False  # its tags are a map

    def make(self, resource: Resource, name: str) -> None:
        """Register it."""
        del name
        self.call("RegisterScalableTarget", resource.properties)
        resource.physical_id = "|".join(resource.properties[part] for part in PLACE)
        resource.attributes = {"Id": resource.physical_id}

    def change(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Register it again."""
        self.call("RegisterScalableTarget", properties)

    def remove(self, resource: Resource) -> None:
        """Deregister it; deleting the endpoint may have done so."""
        try:
            self.call("DeregisterScalableTarget", {part: resource.properties[part] for part in PLACE})
        except ResourceError as error:
            forgiving(error, "ObjectNotFoundException")


class ScalingPolicy(Handler):
    """A policy of a target."""

    service = "application-autoscaling"
    name_property = None  # the name is required, and unique within its target only
    taggable = False

    def make(self, resource: Resource, name: str) -> None:
        """Put it."""
        del name
        resource.physical_id = self.put(resource.properties)
        resource.attributes = {"Arn": resource.physical_id, "PolicyName": resource.properties["PolicyName"]}

    def put(self, properties: dict[str, Any]) -> str:
        """Put it and return its ARN."""
        return self.call("PutScalingPolicy", {**without(properties, "ScalingTargetId"), **place_of(properties)})[
            "PolicyARN"
        ]

    def change(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Put it again."""
        self.put(properties)

    def remove(self, resource: Resource) -> None:
        """Delete it; it may have gone with its target."""
        named = {"PolicyName": resource.properties["PolicyName"], **place_of(resource.properties)}
        try:
            self.call("DeleteScalingPolicy", named)
        except ResourceError as error:
            forgiving(error, "ObjectNotFoundException")


def place_of(properties: dict[str, Any]) -> dict[str, str]:
    """Return the target's place: a policy names it in one property or in three."""
    if "ScalingTargetId" in properties:
        return dict(zip(PLACE, properties["ScalingTargetId"].split("|"), strict=True))
    return {part: properties[part] for part in PLACE if part in properties}
