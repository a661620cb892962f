"""Stages of every kind are really deployed, updated and destroyed: real containers answer, and nothing is left."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest

from aws.conftest import Aws
from aws.registry import HOST
from deploy.call.samples import request_of
from deploy.errors import Refused
from deploy.facts import Account, Archive, Facts
from deploy.model import artifacts, images
from deploy.progress import Clock
from deploy.stack import deploying
from deploy.stack.health import Report
from deploy.stack.stack import Stack
from deploy.stage.files import parse_stage, read_stage
from deploy.stage.kinds import Stage, containers_of
from deploy.stage.new import NewStage, write_stage
from server import ROOT, docker, until

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.timeout(600)]

ACCOUNT = Account("123456789012", "aws", "us-east-1")
BUCKET = "sagemaker-us-east-1-123456789012"
SCALING = ("application-autoscaling", "sagemaker")
MACHINE = {"type": "ml.m5.large"}
INVOKE, BODY = "aws sagemaker-runtime invoke-endpoint", "--content-type text/csv --body fileb://rows.csv answer.csv"
QUICK = {"bake_seconds": 0}


class Deploying:
    """A person who deploys stages; AWS is the stand-in."""

    def __init__(self, aws: Aws):
        self.aws = aws
        self.client = cache(aws.client)
        self.said: list[str] = []
        self.listener: Callable[[str], object] = lambda _: None
        self.folder = aws.log.parent

    def stack(self, name: str) -> Stack:
        return Stack(self.client("cloudformation"), name, self.hear, Clock(sleep=lambda _: time.sleep(0.2)))

    def hear(self, line: str) -> None:
        self.said.append(line)
        self.listener(line)

    @contextmanager
    def when(self, begins: str, act: Callable[[], object]) -> Iterator[None]:
        """Do something as soon as a line with these words is said."""
        self.listener = lambda line: act() if begins in line else None
        try:
            yield
        finally:
            self.listener = lambda _: None

    def facts(self, stage: Stage) -> Facts:
        """Look images up and upload models, as the command line does."""
        containers = containers_of(stage)
        found = [images.resolve(self.client("ecr"), ACCOUNT, container.image) for container in containers]
        return Facts(ACCOUNT, BUCKET, found, [self.archive(container.model) for container in containers])

    def archive(self, model: str | None) -> Archive | None:
        """Upload one of our model folders, or a folder whose model is a word."""
        if model is None:
            return None
        folder = ROOT / model if "/" in model else self.folder / "models" / model
        if "/" not in model:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "greeting").write_text(model)
        return artifacts.upload(self.client("s3"), ACCOUNT, BUCKET, folder, self.said.append)

    def plan(self, stage: Stage) -> str:
        return deploying.plan(stage, self.facts(stage), self.stack(stage.name))

    def deploy(self, stage: Stage) -> str:
        return deploying.deploy(stage, self.facts(stage), self.stack(stage.name), self.client)

    def status(self, stage: Stage) -> Report:
        return deploying.status(stage, self.stack(stage.name), self.client)

    def destroy(self, stage: Stage) -> str:
        return deploying.destroy(stage, ACCOUNT, BUCKET, self.stack(stage.name), self.client)

    def ask(self, endpoint: str, body: str = "Ann") -> str:
        answer = self.client("sagemaker-runtime").invoke_endpoint(EndpointName=endpoint, Body=body.encode())
        return answer["Body"].read().decode()

    def log_group(self, endpoint: str) -> dict[str, Any]:
        name = f"/aws/sagemaker/Endpoints/{endpoint}"
        (group,) = self.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return group

    def targets(self) -> list[tuple[str, int, int]]:
        told = self.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
        return [(one["ResourceId"], one["MinCapacity"], one["MaxCapacity"]) for one in told["ScalableTargets"]]

    def there_is(self) -> dict[str, list[str]]:
        """Return the names of everything that a stack of ours may have made."""
        return {
            "models": self.names("sagemaker", "list_models", "Models", "ModelName"),
            "configurations": self.names("sagemaker", "list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
            "endpoints": self.names("sagemaker", "list_endpoints", "Endpoints", "EndpointName"),
            "alarms": self.names("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
            "topics": self.names("sns", "list_topics", "Topics", "TopicArn"),
            "roles": self.names("iam", "list_roles", "Roles", "RoleName"),
            "stacks": self.names("cloudformation", "describe_stacks", "Stacks", "StackName"),
            "targets": self.names(*SCALING, "describe_scalable_targets", "ScalableTargets", "ResourceId"),
            "policies": self.names(*SCALING, "describe_scaling_policies", "ScalingPolicies", "PolicyName"),
        }

    def names(self, service: str, *rest: str) -> list[str]:
        *namespace, operation, listed, name = rest
        asked = {"ServiceNamespace": namespace[0]} if namespace else {}
        return sorted(one[name] for one in getattr(self.client(service), operation)(**asked)[listed])

    @contextmanager
    def nothing_left(self) -> Iterator[None]:
        before = self.there_is()
        yield
        assert self.there_is() == before


@pytest.fixture(scope="module")
def ecr(push, smallest_image) -> Iterator[Callable[[str], str]]:
    """Return what a stage calls an image in ECR that greets with a word, unless its model has another."""
    made = []

    @cache
    def greeting(word: str) -> str:
        made.append(f"{smallest_image}-{word}")
        build = ["docker", "build", "--tag", made[-1], "-"]
        recipe = f"FROM {smallest_image}\nENV GREETING={word}\n"
        subprocess.run(build, input=recipe, text=True, check=True, capture_output=True)
        return push(made[-1], "greeter")

    yield greeting
    docker("rmi", "--force", *made, check=False)


@pytest.fixture(scope="module")
def person(aws) -> Deploying:
    person = Deploying(aws)
    # A bucket that `deploy` makes takes nothing that is not encrypted on its way, and the stand-in has no TLS.
    person.client("s3").create_bucket(Bucket=BUCKET)
    return person


@pytest.fixture
def stage(person) -> Iterator[Callable[..., Stage]]:
    """Make stages; what a test has not destroyed is destroyed at its end."""
    made = {}

    def make(name: str, kind: str, **settings) -> Stage:
        made[name] = parse_stage(name, {"kind": kind, "owner": "ann@example.com", **settings}, f"{name}.toml")
        return made[name]

    yield make
    for one in made.values():
        person.stack(one.name).delete()


@contextmanager
def refused() -> Iterator[list[str]]:
    lines: list[str] = []
    with pytest.raises(Refused) as caught:
        yield lines
    lines.extend(caught.value.lines)


def counted(there_is: dict[str, list[str]]) -> dict[str, int]:
    return {what: len(names) for what, names in there_is.items()}


@pytest.fixture
def greeter(stage, ecr) -> Callable[..., Stage]:
    """Make an instance stage that scales, of an image that greets with a word."""

    def make(image: str = "hello", **settings: Any) -> Stage:
        known = {"instance": MACHINE, "autoscaling": {"min": 1, "max": 3}, "update": QUICK, **settings}
        return stage("greeter", "instance", image=ecr(image), **known)

    return make


def test_an_instance_stage_lives_its_whole_life(person, greeter, ecr):
    with person.nothing_left():
        # Planned: nothing is there afterwards.
        assert person.plan(greeter()).splitlines() == [
            "byoc-greeter: 8 changes",
            "  + Role AWS::IAM::Role",
            "  + Model AWS::SageMaker::Model",
            "  + ErrorsAlarm AWS::CloudWatch::Alarm",
            "  + LatencyAlarm AWS::CloudWatch::Alarm",
            "  + EndpointConfig AWS::SageMaker::EndpointConfig",
            "  + Endpoint AWS::SageMaker::Endpoint",
            "  + ScalableTarget AWS::ApplicationAutoScaling::ScalableTarget",
            "  + ScalingPolicy AWS::ApplicationAutoScaling::ScalingPolicy",
            "Cost: 1 to 3 x ml.m5.large billed while the endpoint exists.",
        ]
        assert "byoc-greeter" not in person.there_is()["stacks"]

        # Deployed.
        assert person.deploy(greeter()).splitlines() == [
            "greeter is in service: an endpoint on instances.",
            "Call:  make invoke STAGE=greeter",
            f"or:    {INVOKE} --endpoint-name greeter --region us-east-1 {BODY}",
            "Cost:  1 to 3 x ml.m5.large billed while the endpoint exists.",
            "Ends:  make destroy STAGE=greeter",
            "Logs:  aws logs tail /aws/sagemaker/Endpoints/greeter --follow --region us-east-1",
        ]
        assert person.ask("greeter") == "hello Ann"
        assert any(line.endswith("Endpoint AWS::SageMaker::Endpoint CREATE_COMPLETE") for line in person.said)
        assert person.log_group("greeter")["retentionInDays"] == 30

        # Once more: nothing to do.
        before = person.there_is()
        assert person.plan(greeter()) == "byoc-greeter is as it should be: nothing to change."
        person.deploy(greeter())
        assert person.said[-1] == "byoc-greeter is as it should be: nothing to change."
        assert person.there_is() == before

        # Another image.
        planned = person.plan(greeter("goodbye"))
        assert "  ~ Model AWS::SageMaker::Model (PrimaryContainer): replaced by a new one" in planned.splitlines()
        person.deploy(greeter("goodbye"))
        assert person.ask("greeter") == "goodbye Ann"
        assert counted(person.there_is()) == counted(before)

        # Looked at.
        text, exit_code = person.status(greeter())
        assert exit_code == 0
        assert text.splitlines()[:2] == ["greeter: InService", "  stack      byoc-greeter UPDATE_COMPLETE"]
        assert f"  images     {HOST}/{ecr('goodbye')}" in text.splitlines()
        assert "  instances  1 of 1" in text.splitlines()
        assert re.search(r"  alarms     ErrorsAlarm [A-Z_]+, LatencyAlarm [A-Z_]+", text)

        # Destroyed, and once more.
        told = person.destroy(greeter())
        assert told.startswith("greeter is gone. What stays on purpose, and the command that removes it:\n")
        assert "aws ecr delete-repository --force --repository-name greeter --region us-east-1" in told
        assert "aws logs delete-log-group --log-group-name /aws/sagemaker/Endpoints/greeter --region us-east-1" in told
        assert person.destroy(greeter()).startswith(
            "greeter is not deployed in us-east-1, account 123456789012: nothing to remove."
        )
        where = "us-east-1, account 123456789012"
        assert person.status(greeter()) == (f"greeter: not deployed in {where} (there is no stack byoc-greeter).", 1)


def test_an_update_that_goes_wrong_leaves_what_was_there(person, greeter):
    with person.nothing_left():
        person.deploy(greeter("goodbye"))

        # An image that cannot start: the one before answers.
        with refused() as lines:
            person.deploy(greeter("nobody"))
        assert lines[0].startswith("byoc-greeter could not be updated (UPDATE_ROLLBACK_COMPLETE);")
        assert "did not pass the ping health check" in lines[1]
        assert lines[2:] == [
            "What the containers said:",
            "aws logs tail /aws/sagemaker/Endpoints/greeter --since 1h --region us-east-1",
        ]
        assert person.ask("greeter") == "goodbye Ann"

        # An image that starts, and errors: the alarm of the new fleet takes the update back.
        alarm = person.stack("greeter").resources()["ErrorsAlarm"]

        def ring() -> None:
            known = {"AlarmName": alarm, "StateReason": "a test"}
            person.client("cloudwatch").set_alarm_state(StateValue="ALARM", **known)

        watched = {"update": {"bake_seconds": 60}}
        with refused() as lines, person.when("Endpoint AWS::SageMaker::Endpoint UPDATE_IN_PROGRESS", ring):
            person.deploy(greeter("hello", **watched))
        assert lines[1].endswith(f"The update was rolled back, because alarms went off: {alarm}.")
        assert person.ask("greeter") == "goodbye Ann"

        # The version that serves errors: the update that mends it is judged by the new fleet alone.
        ring()
        person.deploy(greeter("hello"))
        assert person.ask("greeter") == "hello Ann"
        watches = person.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]["Dimensions"]
        serves = person.client("sagemaker").describe_endpoint(EndpointName="greeter")["EndpointConfigName"]
        assert {"Name": "EndpointConfigName", "Value": serves} in watches
        person.deploy(greeter("goodbye"))

        # Another instance type, which SageMaker refuses while scaling is on.
        larger = greeter("goodbye", instance={"type": "ml.m5.xlarge"})
        assert "In three steps" in person.plan(larger)
        person.deploy(larger)
        assert person.targets() == [("endpoint/greeter/variant/AllTraffic", 1, 3)]
        assert person.ask("greeter") == "goodbye Ann"

        # Another type, and an image that cannot start: scaling is put back.
        with refused() as lines:
            person.deploy(greeter("nobody", instance={"type": "ml.m5.2xlarge"}))
        assert "what served before still serves" in lines[0]
        assert person.targets() == [("endpoint/greeter/variant/AllTraffic", 1, 3)]
        person.destroy(larger)


def test_a_serverless_stage_takes_its_model_from_s3_and_another_at_an_update(person, stage, ecr):
    with person.nothing_left():
        greeter = stage("lambda", "serverless", image=ecr("hello"), model="bonjour")
        assert "lambda is in service: a serverless endpoint." in person.deploy(greeter)
        assert person.ask("lambda") == "bonjour Ann"
        text, exit_code = person.status(greeter)
        assert exit_code == 0
        assert "  serverless 4096 MB, 2 at a time" in text.splitlines()
        before = person.there_is()

        person.deploy(stage("lambda", "serverless", image=ecr("hello"), model="salut"))
        assert person.ask("lambda") == "salut Ann"
        assert counted(person.there_is()) == counted(before)
        assert person.there_is()["roles"] != before["roles"]  # each role has the right to one archive

        told = person.destroy(greeter)
        assert f"aws s3 rm --recursive s3://{BUCKET}/models/bonjour/" in told


def test_an_asynchronous_stage_answers_into_s3_and_scales_from_zero(person, stage, ecr):
    def answers() -> list[str]:
        s3 = person.client("s3")
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="stages/later/answers/").get("Contents", [])
        return [s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read().decode() for one in listed]

    with person.nothing_left():
        known = {"instance": MACHINE, "autoscaling": {"max": 2}, "asynchronous": {"email": "ann@example.com"}}
        greeter = stage("later", "asynchronous", image=ecr("hello"), **known)
        told = person.deploy(greeter)
        assert "later is in service: an asynchronous endpoint." in told
        assert "Hear of failures: arn:aws:sns:us-east-1:123456789012:" in told
        assert person.targets() == [("endpoint/later/variant/AllTraffic", 0, 2)]
        assert len(person.there_is()["policies"]) == 2

        person.client("s3").put_object(Bucket=BUCKET, Key="stages/later/requests/one", Body=b"Ann")
        source = f"s3://{BUCKET}/stages/later/requests/one"
        answer = person.client("sagemaker-runtime").invoke_endpoint_async(EndpointName="later", InputLocation=source)
        assert answer["OutputLocation"].startswith(f"s3://{BUCKET}/stages/later/answers/")
        assert until(answers, "the answer in S3") == ["hello Ann"]

        person.deploy(stage("later", "asynchronous", image=ecr("goodbye"), instance=MACHINE, update=QUICK))
        assert person.targets() == []
        told = person.destroy(greeter)
        assert f"what the stage read and wrote, in s3://{BUCKET}/stages/later/: 2 objects, " in told


def test_a_pipeline_stage_passes_requests_on_and_becomes_longer(person, stage, ecr):
    def pipeline(*greetings: str) -> Stage:
        containers = [{"name": f"c-{model}", "image": ecr("hello"), "model": model} for model in greetings]
        return stage("chain", "pipeline", containers=containers, instance=MACHINE, update=QUICK)

    with person.nothing_left():
        person.deploy(pipeline("inner", "outer"))
        assert person.ask("chain") == "outer inner Ann"
        person.deploy(pipeline("inner", "middle", "outer"))
        assert person.ask("chain") == "outer middle inner Ann"
        person.destroy(pipeline("inner", "outer"))


def test_a_batch_stage_is_a_model_that_jobs_can_take(person, stage, ecr):
    with person.nothing_left():
        greeter = stage("nightly", "batch", image=ecr("hello"), instance=MACHINE)
        told = person.deploy(greeter)
        model = person.stack("nightly").outputs()["ModelName"]
        assert told.splitlines()[:2] == [
            f"nightly is ready for transform jobs: the model is {model}.",
            "Run:   make transform STAGE=nightly",
        ]
        assert model in person.there_is()["models"]
        assert person.status(greeter).exit_code == 0
        sagemaker = person.client("sagemaker")
        arn = sagemaker.describe_model(ModelName=model)["ModelArn"]
        assert {"Key": "owner", "Value": "ann@example.com"} in sagemaker.list_tags(ResourceArn=arn)["Tags"]

        person.deploy(stage("nightly", "batch", image=ecr("goodbye"), instance=MACHINE))
        assert person.stack("nightly").outputs()["ModelName"] != model
        person.destroy(greeter)


def test_a_first_try_that_fails_tells_why_and_leaves_nothing(person, stage, ecr):
    with person.nothing_left():
        with refused() as lines:
            person.deploy(stage("hasty", "instance", image=ecr("nobody"), instance=MACHINE))
        assert lines[0] == "byoc-hasty could not be created (ROLLBACK_COMPLETE):"
        assert lines[1].startswith("Endpoint (AWS::SageMaker::Endpoint): ")
        assert lines[-1] == "aws logs tail /aws/sagemaker/Endpoints/hasty --since 1h --region us-east-1"
        assert person.log_group("hasty")  # the lines are there although the stack is not


def test_a_kind_that_sagemaker_cannot_convert_is_refused_and_one_that_it_can_is_taken(person, stage, ecr):
    with person.nothing_left():
        person.deploy(stage("fixed", "instance", image=ecr("hello"), instance=MACHINE))
        for change in (person.plan, person.deploy):
            with refused() as lines:
                change(stage("fixed", "serverless", image=ecr("hello")))
            assert lines[0].startswith(
                "fixed is deployed as instance, and its file now says serverless: SageMaker cannot"
            )
        assert person.ask("fixed") == "hello Ann"

        containers = [{"name": "one", "image": ecr("hello")}, {"name": "two", "image": ecr("goodbye")}]
        pipeline = stage("fixed", "pipeline", containers=containers, instance=MACHINE, update=QUICK)
        person.deploy(pipeline)
        assert person.ask("fixed") == "goodbye hello Ann"
        person.destroy(pipeline)


def test_somebody_elses_stack_of_the_same_name_is_not_touched(person, stage, ecr):
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    cloudformation = person.client("cloudformation")
    asked = {"StackName": "byoc-theirs", "ChangeSetName": "theirs"}
    cloudformation.create_change_set(**asked, ChangeSetType="CREATE", TemplateBody=json.dumps(template))
    cloudformation.execute_change_set(**asked)
    until(lambda: person.stack("theirs").status() == "CREATE_COMPLETE", "their stack")
    greeter = stage("theirs", "serverless", image=ecr("hello"))

    for change in (person.plan, person.deploy, person.destroy):
        with refused() as lines:
            change(greeter)
        assert lines == [
            "There is a stack byoc-theirs that was not made by `python -m deploy`: it has no such tag managed-by.",
            "Nothing is done to it. Give the stage theirs another name.",
        ]
    assert person.stack("theirs").status() == "CREATE_COMPLETE"


def test_the_readmes_model_answers_from_an_endpoint(person, stage, push, image):
    with person.nothing_left():
        abalone = stage("abalone", "serverless", image=push(image, "abalone"), model="models/abalone")
        person.deploy(abalone)
        answer = person.client("sagemaker-runtime").invoke_endpoint(
            EndpointName="abalone", ContentType="text/csv", Body=b"I,0.365,0.295,0.095,0.25,0.1075,0.0545,0.08,9.0\n"
        )
        assert float(answer["Body"].read()) == pytest.approx(7.258125951673891)
        person.destroy(abalone)


def test_a_featurizer_and_a_predictor_answer_from_one_endpoint(person, push, image, tmp_path):
    """The stage as `make new_stage` writes it: deployed, asked with its first model's sample, and gone again."""
    models = ("abalone_featurizer", "abalone_predictor")
    write_stage(NewStage("shells", "pipeline", [push(image, "abalone")], models, "ann@example.com"), tmp_path)
    stage = read_stage("shells", tmp_path)
    with person.nothing_left():
        person.deploy(stage)
        asked = request_of(stage)
        answer = person.client("sagemaker-runtime").invoke_endpoint(
            EndpointName="shells", ContentType=asked.content_type, Body=asked.body
        )
        assert json.loads(answer["Body"].read()) == {"result": [7.051553249359131]}
        person.destroy(stage)
