"""AWS::SNS::Topic and TopicPolicy."""

import json
from typing import Any

from aws.stand_in.cloudformation.resources.base import Handler, without
from aws.stand_in.cloudformation.stacks import Resource


class Topic(Handler):
    """A topic and its subscriptions."""

    service, name_property = "sns", "TopicName"
    apart = ("TopicName", "Subscription", "Tags")  # all else is an attribute

    def make(self, resource: Resource, name: str) -> None:
        """Create it, and subscribe to it."""
        properties = resource.properties
        asked = {"Name": name, "Attributes": without(properties, *self.apart), "Tags": properties.get("Tags", [])}
        resource.physical_id = self.call("CreateTopic", asked)["TopicArn"]
        resource.attributes = {"TopicArn": resource.physical_id, "TopicName": name}
        self.subscribe(resource, properties)

    def subscribe(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Subscribe whom the properties name."""
        for subscription in properties.get("Subscription", []):
            self.call("Subscribe", {"TopicArn": resource.physical_id, **subscription})

    def change(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Set the attributes, and subscribe anew."""
        topic = {"TopicArn": resource.physical_id}
        for name, value in without(properties, *self.apart).items():
            self.call("SetTopicAttributes", {**topic, "AttributeName": name, "AttributeValue": value})
        for old in self.call("ListSubscriptionsByTopic", topic)["Subscriptions"]:
            self.call("Unsubscribe", {"SubscriptionArn": old["SubscriptionArn"]})
        self.subscribe(resource, properties)

    def remove(self, resource: Resource) -> None:
        """Delete it."""
        self.call("DeleteTopic", {"TopicArn": resource.physical_id})


class TopicPolicy(Handler):
    """A policy on topics; when it is removed it stays on a topic that stays."""

    service = "sns"
    taggable = False

    def make(self, resource: Resource, name: str) -> None:
        """Put it on the topics."""
        resource.physical_id, resource.attributes = name, {"Id": name}
        self.change(resource, resource.properties)

    def change(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Put it on the topics."""
        policy = json.dumps(properties["PolicyDocument"])
        for topic in properties["Topics"]:
            self.call("SetTopicAttributes", {"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy})

    def remove(self, resource: Resource) -> None:
        """Leave it to the topics."""
