"""AWS::CloudWatch::Alarm and AWS::Logs::LogGroup."""

from typing import Any

from aws.stand_in.cloudformation.resources.base import Handler, without
from aws.stand_in.cloudformation.stacks import Resource


class Alarm(Handler):
    """An alarm; putting it again changes it."""

    service, name_property = "cloudwatch", "AlarmName"

    def make(self, resource: Resource, name: str) -> None:
        """Put it."""
        self.call("PutMetricAlarm", {"AlarmName": name, **resource.properties})
        resource.physical_id = name
        (alarm,) = self.call("DescribeAlarms", {"AlarmNames": [name]})["MetricAlarms"]
        resource.attributes = {"Arn": alarm["AlarmArn"]}

    def change(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Put it again."""
        self.call("PutMetricAlarm", {"AlarmName": resource.physical_id, **properties})

    def remove(self, resource: Resource) -> None:
        """Delete it."""
        self.call("DeleteAlarms", {"AlarmNames": [resource.physical_id]})


class LogGroup(Handler):
    """A log group, for how long it keeps its lines."""

    service, name_property = "logs", "LogGroupName"
    taggable = False  # its tags are a map

    def make(self, resource: Resource, name: str) -> None:
        """Create it."""
        self.call("CreateLogGroup", {"logGroupName": name})
        resource.physical_id = name
        (group,) = self.call("DescribeLogGroups", {"logGroupNamePrefix": name})["logGroups"][:1]
        resource.attributes = {"Arn": group["arn"]}
        self.change(resource, resource.properties)

    def change(self, resource: Resource, properties: dict[str, Any]) -> None:
        """Set how long it keeps its lines: for ever, unless said otherwise."""
        group = {"logGroupName": resource.physical_id}
        more = without(properties, "LogGroupName", "RetentionInDays", "Tags")
        if "RetentionInDays" in properties:
            self.call("PutRetentionPolicy", {**group, "retentionInDays": properties["RetentionInDays"], **more})
        else:
            self.call("DeleteRetentionPolicy", {**group, **more})

    def remove(self, resource: Resource) -> None:
        """Delete it, lines and all."""
        self.call("DeleteLogGroup", {"logGroupName": resource.physical_id})
