"""The resource types: how each is made, changed and removed through its service's own API."""

from collections.abc import Mapping

from aws.stand_in.cloudformation.resources.base import Handler
from aws.stand_in.cloudformation.resources.monitoring import Alarm, LogGroup
from aws.stand_in.cloudformation.resources.notification import Topic, TopicPolicy
from aws.stand_in.cloudformation.resources.role import Role
from aws.stand_in.cloudformation.resources.scaling import ScalableTarget, ScalingPolicy
from aws.stand_in.cloudformation.resources.serving import Endpoint, EndpointConfig, Model
from aws.stand_in.cloudformation.resources.web import Api, Function, Integration, Permission, Route, Stage

HANDLERS: Mapping[str, type[Handler]] = {
    "AWS::ApiGatewayV2::Api": Api,
    "AWS::ApiGatewayV2::Integration": Integration,
    "AWS::ApiGatewayV2::Route": Route,
    "AWS::ApiGatewayV2::Stage": Stage,
    "AWS::ApplicationAutoScaling::ScalableTarget": ScalableTarget,
    "AWS::ApplicationAutoScaling::ScalingPolicy": ScalingPolicy,
    "AWS::CloudWatch::Alarm": Alarm,
    "AWS::IAM::Role": Role,
    "AWS::Lambda::Function": Function,
    "AWS::Lambda::Permission": Permission,
    "AWS::Logs::LogGroup": LogGroup,
    "AWS::SNS::Topic": Topic,
    "AWS::SNS::TopicPolicy": TopicPolicy,
    "AWS::SageMaker::Endpoint": Endpoint,
    "AWS::SageMaker::EndpointConfig": EndpointConfig,
    "AWS::SageMaker::Model": Model,
}
