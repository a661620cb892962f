"""The resource types: how each is made, changed and removed through its service's own API."""

from collections.abc import Mapping

from aws.stand_in.cloudformation.resources.base import Handler
from aws.stand_in.cloudformation.resources.monitoring import Alarm, LogGroup
from aws.stand_in.cloudformation.resources.notification import Topic, TopicPolicy
from aws.stand_in.cloudformation.resources.role import Role
from aws.stand_in.cloudformation.resources.scaling import ScalableTarget, ScalingPolicy
from aws.stand_in.cloudformation.resources.serving import Endpoint, EndpointConfig, Model

HANDLERS: Mapping[str, type[Handler]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": ScalableTarget,
    "AWS::ApplicationAutoScaling::ScalingPolicy": ScalingPolicy,
    "AWS::CloudWatch::Alarm": Alarm,
    "AWS::IAM::Role": Role,
    "AWS::Logs::LogGroup": LogGroup,
    "AWS::SNS::Topic": Topic,
    "AWS::SNS::TopicPolicy": TopicPolicy,
    "AWS::SageMaker::Endpoint": Endpoint,
    "AWS::SageMaker::EndpointConfig": EndpointConfig,
    "AWS::SageMaker::Model": Model,
}
