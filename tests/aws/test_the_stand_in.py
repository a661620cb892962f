"""What the stand-in for AWS must not lie about, or no test that uses it would mean anything."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws.conftest import STAND_IN, Aws
from aws.stand_in.cloudformation.intrinsics import Values
from aws.stand_in.cloudformation.parameters import values_of
from aws.stand_in.cloudformation.template import Template, TemplateError
from server import docker, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

PING = (
    "The primary container for production variant AllTraffic did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
         "Principal": {"Service": "sagemaker.amazonaws.com"}}]}  # fmt: skip
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    "ResourceId": "endpoint/greeter/variant/AllTraffic",
}
JOB = {
    "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/in"}},
                       "ContentType": "text/plain", "SplitType": "Line"},
    "TransformOutput": {"S3OutputPath": "s3://jobs/out", "AssembleWith": "Line"},
    "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
}  # fmt: skip


def template(image: str, greeting: str, **resources: Any) -> dict[str, Any]:
    """Return the template of an endpoint `greeter`."""
    container = {"Image": image, "Environment": {"GREETING": greeting}}
    variant = {"VariantName": "AllTraffic", "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
               "InitialInstanceCount": "1", "InstanceType": "ml.m6i.large"}  # fmt: skip
    made = {
        "Role": ("IAM::Role", {"AssumeRolePolicyDocument": TRUST}),
        "Model": (
            "SageMaker::Model",
            {"ExecutionRoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "PrimaryContainer": container},
        ),
        "Config": ("SageMaker::EndpointConfig", {"ProductionVariants": [variant]}),
        "Endpoint": (
            "SageMaker::Endpoint",
            {"EndpointName": "greeter", "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]}},
        ),
    }
    known = {name: {"Type": f"AWS::{kind}", "Properties": properties} for name, (kind, properties) in made.items()}
    return {"Resources": known | resources}


class Stack:
    """A stack `greeter`."""

    def __init__(self, aws: Aws):
        self.client = aws.client("cloudformation")

    def propose(self, body: Any, kind: str = "UPDATE") -> dict[str, Any]:
        named = {"StackName": "greeter", "ChangeSetName": "change"}
        self.client.create_change_set(
            **named, ChangeSetType=kind, TemplateBody=json.dumps(body), Capabilities=["CAPABILITY_IAM"]
        )
        return self.client.describe_change_set(**named)

    def become(self, body: Any, kind: str = "UPDATE") -> str:
        assert self.propose(body, kind)["ExecutionStatus"] == "AVAILABLE"
        self.client.execute_change_set(StackName="greeter", ChangeSetName="change")
        return self.settled()

    def settled(self) -> str:
        until(lambda: not self.about()["StackStatus"].endswith("_IN_PROGRESS"), "the stack's end")
        return self.about()["StackStatus"]

    def about(self) -> dict[str, Any]:
        (stack,) = self.client.describe_stacks(StackName="greeter")["Stacks"]
        return stack

    def failures(self) -> list[tuple[str, str]]:
        events = self.client.describe_stack_events(StackName="greeter")["StackEvents"]
        return [(e["LogicalResourceId"], e["ResourceStatusReason"]) for e in events if "FAILED" in e["ResourceStatus"]]

    def physical_ids(self) -> dict[str, str]:
        found = self.client.describe_stack_resources(StackName="greeter")["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in found}

    def delete(self) -> None:
        self.client.delete_stack(StackName="greeter")
        until(lambda: not self.exists(), "the stack's removal")

    def exists(self) -> bool:
        stacks = self.client.describe_stacks()["Stacks"]
        return "greeter" in [stack["StackName"] for stack in stacks]


@pytest.fixture
def stack(aws):
    """A stack that is removed after the test."""
    stack = Stack(aws)
    yield stack
    stack.delete()


@pytest.fixture(scope="session")
def sagemaker(aws):
    return aws.client("sagemaker")


@pytest.fixture(scope="session")
def ask(aws) -> Callable[[], str]:
    runtime = aws.client("sagemaker-runtime")
    return lambda: runtime.invoke_endpoint(EndpointName="greeter", Body=b"you")["Body"].read().decode()


@pytest.fixture(scope="session")
def role(aws) -> str:
    iam = aws.client("iam")
    return iam.create_role(RoleName="greeter", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]


@pytest.fixture
def model(sagemaker, role, smallest_image) -> str:
    container = {"Image": smallest_image, "Environment": {"GREETING": "hello"}}
    sagemaker.create_model(ModelName="greeter", ExecutionRoleArn=role, PrimaryContainer=container)
    yield "greeter"
    sagemaker.delete_model(ModelName="greeter")


def test_a_failed_creation_removes_what_was_made(aws, stack, sagemaker, smallest_image):
    assert stack.become(template(smallest_image, "nobody"), "CREATE") == "ROLLBACK_COMPLETE"

    assert stack.failures() == [("Endpoint", PING)]
    assert stack.physical_ids() == {}
    assert sagemaker.list_models()["Models"] == sagemaker.list_endpoints()["Endpoints"] == []
    said = aws.client("logs").filter_log_events(logGroupName="/aws/sagemaker/Endpoints/greeter")
    assert "there is nobody to greet with" in [event["message"] for event in said["events"]]


def test_a_failed_update_leaves_the_old_container_answering(stack, sagemaker, ask, smallest_image):
    good = template(smallest_image, "hello")
    assert stack.become(good, "CREATE") == "CREATE_COMPLETE"
    before = stack.physical_ids()

    assert stack.become(template(smallest_image, "nobody")) == "UPDATE_ROLLBACK_COMPLETE"

    assert ask() == "hello you"
    assert stack.failures() == [("Endpoint", PING)]
    assert stack.physical_ids() == before
    assert len(sagemaker.list_models()["Models"]) == len(sagemaker.list_endpoint_configs()["EndpointConfigs"]) == 1
    endpoint = sagemaker.describe_endpoint(EndpointName="greeter")
    assert (endpoint["EndpointStatus"], endpoint["FailureReason"]) == ("InService", PING)
    unchanged = stack.propose(good)
    assert (unchanged["Status"], unchanged["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert unchanged["StatusReason"] == (
        "The submitted information didn't contain changes. Submit different information to create a change set."
    )


def test_an_update_replaces_what_differs_and_keeps_the_rest(stack, sagemaker, ask, smallest_image):
    stack.become(template(smallest_image, "hello"), "CREATE")
    before = stack.physical_ids()
    topic = {"Type": "AWS::SNS::Topic"}

    proposed = stack.propose(template(smallest_image, "good day", Topic=topic))["Changes"]

    changes = {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"] for c in proposed}
    assert {name: (c["Action"], c.get("Replacement")) for name, c in changes.items()} == {
        "Topic": ("Add", None),
        "Model": ("Modify", "True"),
        "Config": ("Modify", "Conditional"),  # the new model's name is not known yet
        "Endpoint": ("Modify", "False"),
    }
    assert stack.become(template(smallest_image, "good day", Topic=topic)) == "UPDATE_COMPLETE"
    after = stack.physical_ids()
    assert {name for name in before if before[name] == after[name]} == {"Role", "Endpoint"}
    assert ask() == "good day you"
    assert [found["ModelArn"] for found in sagemaker.list_models()["Models"]] == [after["Model"]]


def test_an_alarm_takes_an_update_back(aws, stack, ask, smallest_image):
    def guarded(greeting):
        body = template(smallest_image, greeting, Alarm={"Type": "AWS::CloudWatch::Alarm", "Properties": alarm})
        alarms = {"Alarms": [{"AlarmName": {"Ref": "Alarm"}}]}
        body["Resources"]["Endpoint"]["Properties"]["DeploymentConfig"] = {"AutoRollbackConfiguration": alarms}
        return body

    alarm = {"AlarmName": "errors", "Namespace": "AWS/SageMaker", "MetricName": "Invocation5XXErrors", "Period": 60,
             "Statistic": "Sum", "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold",
             "Dimensions": [{"Name": "EndpointName", "Value": "greeter"}]}  # fmt: skip
    stack.become(guarded("hello"), "CREATE")
    aws.client("cloudwatch").set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")

    assert stack.become(guarded("good day")) == "UPDATE_ROLLBACK_COMPLETE"

    assert stack.failures() == [("Endpoint", "The update was rolled back, because alarms went off: errors.")]
    assert ask() == "hello you"


def test_scaling_belongs_to_its_endpoint(aws, stack, sagemaker, smallest_image):
    def scaled(instance):
        target = {**TARGET, "MinCapacity": "1", "MaxCapacity": "4"}
        policy = {"PolicyName": "p", "PolicyType": "TargetTrackingScaling", "ScalingTargetId": {"Ref": "Target"},
                  "TargetTrackingScalingPolicyConfiguration": {"TargetValue": "4"}}  # fmt: skip
        body = template(
            smallest_image,
            "hello",
            Target={
                "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
                "Properties": target,
                "DependsOn": "Endpoint",
            },
            Policy={"Type": "AWS::ApplicationAutoScaling::ScalingPolicy", "Properties": policy},
        )
        body["Resources"]["Config"]["Properties"]["ProductionVariants"][0]["InstanceType"] = instance
        return body

    scaling = aws.client("application-autoscaling")
    with pytest.raises(ClientError, match="Could not find variant AllTraffic of endpoint greeter"):
        scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=4)
    assert stack.become(scaled("ml.m6i.large"), "CREATE") == "CREATE_COMPLETE"
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert target["MaxCapacity"] == 4

    assert stack.become(scaled("ml.m6i.xlarge")) == "UPDATE_ROLLBACK_COMPLETE"
    assert "must be deregistered as scalable targets" in stack.failures()[0][1]

    sagemaker.delete_endpoint(EndpointName="greeter")
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
    assert scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"] == []


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ({"Type": "AWS::Made::Up"}, "Unrecognized resource types: [AWS::Made::Up]"),
        ({"Type": "AWS::EC2::VPC"}, "the stand-in for CloudFormation does not make AWS::EC2::VPC"),
        ({"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Ref": "Nobody"}}}, "resource dependencies [Nobody]"),
        ({"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Fn::GetAZs": ""}}}, "does not know Fn::GetAZs"),
    ],
)
def test_what_is_unknown_in_a_template_is_refused(aws, resource, message):
    stack = Stack(aws)

    with pytest.raises(ClientError) as caught:
        stack.propose({"Resources": {"Odd": resource}}, "CREATE")

    assert message in caught.value.response["Error"]["Message"]
    assert not stack.exists()


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"TopicNames": "x"}, "#: extraneous key [TopicNames] is not permitted"),
        ({"Subscription": [{"Protocols": "x"}]}, "#: extraneous key [Protocols] is not permitted"),
        ({"Subscription": "x"}, "#/Subscription: expected type: array, found: 'x'"),
    ],
)
def test_an_unknown_property_fails_its_resource(stack, properties, message):
    body = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": properties}}}

    assert stack.become(body, "CREATE") == "ROLLBACK_COMPLETE"

    ((name, reason),) = stack.failures()
    assert name == "Topic"
    assert message in reason


def test_what_sagemaker_refuses_is_refused(aws, sagemaker, role, model, smallest_image):
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/nothing:here"
    oci = "123456789012.dkr.ecr.us-east-1.amazonaws.com/modern:1"
    ecr, kind = aws.client("ecr"), "application/vnd.oci.image.manifest.v1+json"
    ecr.create_repository(repositoryName="modern")
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": {}, "layers": []})
    ecr.put_image(repositoryName="modern", imageTag="1", imageManifest=manifest, imageManifestMediaType=kind)
    for container, arn, message in [
        ({"Image": image}, role, f"Requested image {image} not found."),
        ({"Image": oci}, role, f"Unsupported manifest media type {re.escape(kind)}"),
        ({"Image": smallest_image}, role + "x", "Could not assume role"),
        ({"Image": smallest_image, "ModelDataUrl": "s3://no/where.tar.gz"}, role, "Could not access model data at"),
    ]:
        with pytest.raises(ClientError, match=message):
            sagemaker.create_model(ModelName="refused", ExecutionRoleArn=arn, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": model, "InitialInstanceCount": 1}
    with pytest.raises(ClientError, match=r"'ml.fast' at 'productionVariants.1.member.instanceType'"):
        sagemaker.create_endpoint_config(
            EndpointConfigName="refused", ProductionVariants=[{**variant, "InstanceType": "ml.fast"}]
        )


def run_job(aws: Aws, name: str, **more: Any) -> dict[str, Any]:
    client = aws.client("sagemaker")
    client.create_transform_job(TransformJobName=name, ModelName="greeter", **{**JOB, **more})
    until(lambda: client.describe_transform_job(TransformJobName=name)["TransformJobStatus"] != "InProgress", name)
    return client.describe_transform_job(TransformJobName=name)


def test_a_transform_job_writes_a_line_for_each_line_and_nothing_for_what_was_refused(aws, model):
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="jobs")
    s3.put_object(Bucket="jobs", Key="in/some/names", Body=b"Ann\nBob\n")

    def written() -> dict[str, bytes]:
        keys = [found["Key"] for found in s3.list_objects_v2(Bucket="jobs", Prefix="out").get("Contents", [])]
        return {key: s3.get_object(Bucket="jobs", Key=key)["Body"].read() for key in keys}

    assert run_job(aws, "lines", BatchStrategy="SingleRecord")["TransformJobStatus"] == "Completed"
    assert written() == {"out/some/names.out": b"hello Ann\nhello Bob\n"}

    s3.put_object(Bucket="jobs", Key="in/others", Body=b"refuse\n")
    job = run_job(aws, "refused")
    assert (job["TransformJobStatus"], job["FailureReason"]) == (
        "Failed",
        "ClientError: See job logs for more information",
    )
    assert list(written()) == ["out/some/names.out"]


def test_a_pipeline_answers_asynchronously_and_tells_a_topic(aws, sagemaker, role, smallest_image):
    s3, sns, sqs = aws.client("s3"), aws.client("sns"), aws.client("sqs")
    s3.create_bucket(Bucket="answers")
    topic = sns.create_topic(Name="answered")["TopicArn"]
    queue = sqs.create_queue(QueueName="answered")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    containers = [{"Image": smallest_image, "Environment": {"GREETING": greeting}} for greeting in ("dear", "hello")]
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "two",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }
    output = {"S3OutputPath": "s3://answers/out", "NotificationConfig": {"SuccessTopic": topic}}
    sagemaker.create_model(ModelName="two", ExecutionRoleArn=role, Containers=containers)
    sagemaker.create_endpoint_config(
        EndpointConfigName="two", ProductionVariants=[variant], AsyncInferenceConfig={"OutputConfig": output}
    )
    sagemaker.create_endpoint(EndpointName="two", EndpointConfigName="two")
    until(lambda: sagemaker.describe_endpoint(EndpointName="two")["EndpointStatus"] == "InService", "the endpoint")
    s3.put_object(Bucket="answers", Key="in", Body=b"you")

    aws.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName="two", InputLocation="s3://answers/in", InferenceId="first"
    )

    (told,) = until(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"), "the topic's message")
    message = json.loads(json.loads(told["Body"])["Message"])
    assert (message["inferenceId"], message["invocationStatus"]) == ("first", "Completed")
    assert s3.get_object(Bucket="answers", Key="out/first.out")["Body"].read() == b"hello dear you"
    sagemaker.delete_endpoint(EndpointName="two")
    sagemaker.delete_endpoint_config(EndpointConfigName="two")
    sagemaker.delete_model(ModelName="two")


@pytest.mark.registry
def test_an_image_is_deployed_by_its_digest_and_its_layers_have_addresses(
    aws, registry, sagemaker, role, smallest_image
):
    ecr, name = aws.client("ecr"), f"{registry.host}/smallest:1"
    ecr.create_repository(repositoryName="smallest")
    docker("tag", smallest_image, name)
    credentials = registry.folder / "docker"
    docker(
        "--config",
        str(credentials),
        "login",
        "--username",
        "AWS",
        "--password",
        "123456789012-auth-token",
        registry.host,
    )
    docker("--config", str(credentials), "push", name)
    (image,) = until(lambda: ecr.describe_images(repositoryName="smallest")["imageDetails"], "the push")
    digest = image["imageDigest"]
    manifest = json.loads(
        ecr.batch_get_image(repositoryName="smallest", imageIds=[{"imageTag": "1"}])["images"][0]["imageManifest"]
    )
    docker("rmi", "--force", name, check=False)

    sagemaker.create_model(ModelName="pushed", ExecutionRoleArn=role, PrimaryContainer={"Image": name})
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "pushed",
        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
    }
    sagemaker.create_endpoint_config(EndpointConfigName="pushed", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="pushed", EndpointConfigName="pushed")
    until(lambda: sagemaker.describe_endpoint(EndpointName="pushed")["EndpointStatus"] == "InService", "the endpoint")

    (deployed,) = sagemaker.describe_endpoint(EndpointName="pushed")["ProductionVariants"][0]["DeployedImages"]
    assert (deployed["SpecifiedImage"], deployed["ResolvedImage"]) == (name, f"{registry.host}/smallest@{digest}")
    layer = ecr.get_download_url_for_layer(repositoryName="smallest", layerDigest=manifest["config"]["digest"])
    with urllib.request.urlopen(layer["downloadUrl"]) as answer:
        assert json.load(answer)["architecture"]
    sagemaker.delete_endpoint(EndpointName="pushed")
    sagemaker.delete_endpoint_config(EndpointConfigName="pushed")
    sagemaker.delete_model(ModelName="pushed")


def test_nothing_is_left_when_it_ends(tmp_path, smallest_image):
    with closing(Aws(tmp_path)) as aws:
        stack = Stack(aws)
        stack.become(template(smallest_image, "hello"), "CREATE")
        of_this_image = ("ps", "--all", "--quiet", "--filter", f"ancestor={smallest_image}")
        assert docker(*of_this_image).stdout
    assert not docker(*of_this_image).stdout
    assert "Traceback" not in aws.said()


def values(section: str, parameters: dict[str, str]) -> Values:
    template = Template(f"Resources: {{A: {{Type: X}}}}\n{section}")
    pseudo = {"AWS::Region": "us-east-1"}
    return Values(template, values_of(template, parameters), pseudo, lambda name, attribute: f"<{name} {attribute}>")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("!Ref P", "x"),
        ("!Ref List", ["a", "b"]),
        ("!Ref A", "<A None>"),
        ("!GetAtt A.Arn.Part", "<A Arn.Part>"),
        ("[1, !Ref 'AWS::NoValue']", [1]),
        ("{a: !Ref 'AWS::NoValue', b: yes}", {"b": True}),
        ("!Sub '${P} ${A.Arn} ${AWS::Region} ${!P}'", "x <A Arn> us-east-1 ${P}"),
        ("!Sub ['${P} ${Q}', {Q: !Join ['-', [1, true]]}]", "x 1-true"),
        ("!Select [1, !Split [',', 'a,b']]", "b"),
        ("!If [IsX, !If [IsY, 1, 2], 3]", 2),
        ("!If [Both, 1, 2]", 2),
        ("!If [Either, 1, 2]", 1),
        (
            "{Version: 2012-10-17, Condition: {Bool: {b: no}}}",
            {"Version": "2012-10-17", "Condition": {"Bool": {"b": False}}},
        ),
    ],
)
def test_a_template_says_what_it_says_to_cloudformation(expression, value):
    section = f"""
Parameters: {{P: {{Type: String}}, List: {{Type: CommaDelimitedList, Default: "a, b"}}}}
Conditions:
  IsX: !Equals [!Ref P, x]
  IsY: !Not [!Condition IsX]
  Both: !And [!Condition IsX, !Condition IsY]
  Either: !Or [!Condition IsX, !Condition IsY]
Outputs: {{Out: {{Value: {expression}}}}}
"""
    found = values(section, {"P": "x"})
    assert found.resolve(found.template.outputs["Out"]["Value"]) == value


@pytest.mark.parametrize(
    ("about", "given", "message"),
    [
        ("{Type: String}", {}, "Parameters: [P] must have values"),
        ("{Type: String}", {"P": "1", "Q": "2"}, "Parameters: [Q] do not exist in the template"),
        ("{Type: String, AllowedValues: [a, true]}", {"P": "b"}, "'P' must be one of AllowedValues [a, true]"),
        ("{Type: String, AllowedPattern: '[a-z]+'}", {"P": "B"}, "'P' must match pattern [a-z]+"),
        ("{Type: String, MinLength: 2, ConstraintDescription: two}", {"P": "B"}, "'P' must satisfy: two"),
        ("{Type: String, MaxLength: 2}", {"P": "BBB"}, "'P' must contain at most 2 characters"),
        ("{Type: Number}", {"P": "B"}, "'P' must be a number"),
        ("{Type: Number, MinValue: 2}", {"P": "1"}, "'P' must be a number not less than 2"),
        ("{Type: Number, MaxValue: 2}", {"P": "3"}, "'P' must be a number not greater than 2"),
    ],
)
def test_a_parameter_breaks_no_constraint(about, given, message):
    with pytest.raises(TemplateError) as caught:
        values(f"Parameters: {{P: {about}}}", given)

    assert message in str(caught.value)


def run_stand_in(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(STAND_IN), *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


def test_it_says_why_it_cannot_start():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run_stand_in("--port", port, PATH=os.environ["PATH"])
    assert done.returncode == 1
    assert f"port {port} or 5567 cannot be listened on: Address already in use. Choose others" in done.stderr

    done = run_stand_in("--port", "0", PATH="/nowhere")
    assert done.returncode == 1
    assert "endpoints are containers, and no Docker engine answers: there is no `docker` on PATH" in done.stderr


def test_another_terminal_gets_the_same_environment(aws):
    port, runtime_port = (url.rpartition(":")[2] for url in (aws.url, aws.runtime_url))

    done = run_stand_in("--print-environment", "--port", port, "--runtime-port", runtime_port)

    assert done.stdout == aws.printed.read_text()


def test_a_bucket_that_asks_for_encrypted_requests_can_be_used_from_here(aws):
    """moto alone would deny everything; a policy that denies without a condition still does."""
    s3 = aws.client("s3")
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::guarded/*"}
    encrypted = {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    s3.create_bucket(Bucket="guarded")
    s3.put_object(Bucket="guarded", Key="rows", Body=b"1")
    for policy, allowed in (({**statement, **encrypted}, True), (statement, False)):
        s3.put_bucket_policy(Bucket="guarded", Policy=json.dumps({"Version": "2012-10-17", "Statement": [policy]}))
        if allowed:
            assert s3.get_object(Bucket="guarded", Key="rows")["Body"].read() == b"1"
        else:
            with pytest.raises(ClientError, match="Forbidden"):
                s3.get_object(Bucket="guarded", Key="rows")
