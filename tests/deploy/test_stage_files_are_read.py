"""A stage's file is read as it is written, and everything that is wrong with it is said at once, in words."""

import pytest

from deploy.errors import Refused
from deploy.stage.files import CLASSES, KINDS, parse_file, parse_stage, read_stage
from deploy.stage.kinds import (
    AsynchronousStage,
    BatchStage,
    InstanceStage,
    PipelineStage,
    ServerlessStage,
    containers_of,
)
from deploy.stage.never import NEVER

BEGINNING = {"owner": "me@example.com"}
INSTANCE = {"type": "ml.m5.large"}
LEAST = {
    "instance": {"image": "abalone:1", "instance": INSTANCE},
    "serverless": {"image": "abalone:1"},
    "asynchronous": {"image": "abalone:1", "instance": INSTANCE},
    "batch": {"image": "abalone:1", "instance": INSTANCE},
    "pipeline": {
        "instance": INSTANCE,
        "containers": [{"name": "first", "image": "a:1"}, {"name": "second", "image": "b:1", "model": "models/b"}],
    },
}


def stage_of(kind, **settings):
    return parse_stage("mine", {**BEGINNING, "kind": kind, **LEAST[kind], **settings}, "mine.toml")


def faults(kind, **settings):
    with pytest.raises(Refused) as refused:
        stage_of(kind, **settings)
    assert refused.value.lines[0] == "mine.toml is no stage:"
    return list(refused.value.lines[1:])


def test_each_kind_needs_little():
    kinds = {type(stage_of(kind)) for kind in KINDS}
    assert kinds == {InstanceStage, ServerlessStage, AsynchronousStage, PipelineStage, BatchStage}


def test_what_is_left_out_is_safe():
    assert stage_of("instance").network_isolation
    assert stage_of("instance").autoscaling is None
    assert stage_of("instance").capture is None
    assert stage_of("instance").update.bake_seconds == 300
    serverless = stage_of("serverless").serverless
    assert (serverless.memory_mb, serverless.concurrency) == (4096, 2)
    assert stage_of("asynchronous").asynchronous.notify


def test_a_request_passes_the_containers_in_their_order():
    assert [container.image for container in containers_of(stage_of("pipeline"))] == ["a:1", "b:1"]
    assert [container.image for container in containers_of(stage_of("batch"))] == ["abalone:1"]


@pytest.mark.parametrize(("kind", "setting"), sorted(NEVER))
def test_what_a_kind_cannot_have_is_refused_in_words(kind, setting):
    """The words are there only for settings that another kind has, or they would never be read."""
    assert faults(kind, **{setting: {}}) == [NEVER[kind, setting]]
    assert any(setting in other.model_fields for other in CLASSES.values())


@pytest.mark.parametrize(
    ("kind", "setting", "reason"),
    [
        ("serverless", "containers", "SageMaker runs no serial pipeline on it"),
        ("serverless", "capture", "cannot capture data"),
        ("serverless", "vpc", "cannot run in a VPC"),
        ("serverless", "autoscaling", "scales by itself"),
        ("serverless", "network_isolation", "cannot be isolated from the network"),
    ],
)
def test_what_sagemaker_excludes_from_serverless_endpoints_is_excluded(kind, setting, reason):
    assert reason in NEVER[kind, setting]


def test_everything_wrong_is_said_at_once():
    said = faults("serverless", serverless={"memory_mb": 100, "concurency": 2}, colour="red", owner=3)
    assert said == [
        "owner: should be a valid string, not 3.",
        "serverless.memory_mb: should be 1024, 2048, 3072, 4096, 5120 or 6144, not 100.",
        "serverless.concurency: there is no such setting. Perhaps concurrency was meant?",
        (
            "colour: there is no such setting. There are: alarms, bucket, environment, image, key, kind, model, owner, "
            "region, serverless, tags."
        ),
    ]


def test_a_number_is_not_written_as_a_text():
    assert faults("instance", instance={**INSTANCE, "count": "2"}) == [
        "instance.count: should be a valid integer, not '2'."
    ]


def test_a_container_is_named_by_its_place():
    containers = [{"name": "a", "image": "x", "models": "q"}, {"name": "b"}]
    assert faults("pipeline", containers=containers) == [
        "containers.0.models: there is no such setting. Perhaps model was meant?",
        "containers.1.image is missing.",
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"key": "alias/mine"},
            "key: the ARN of a KMS key, such as arn:aws:kms:eu-west-1:123456789012:key/1234abcd-…,",
        ),
        ({"region": "Ireland"}, "region: a Region such as eu-west-1"),
        ({"bucket": "s3://mine"}, "bucket: a bucket's name, without s3://,"),
        ({"instance": {"type": "m5.large"}}, "instance.type: an instance type such as ml.m5.large"),
        ({"capture": {"percent": 5, "destination": "mine"}}, "capture.destination: an address such as s3://"),
        (
            {"environment": {"MY-NAME": "x"}},
            "environment.MY-NAME: a variable's name of letters, digits and under",
        ),
    ],
)
def test_a_text_of_the_wrong_form_is_told_the_right_one(settings, said):
    (fault,) = faults("instance", **settings)
    assert fault.startswith(said)
    assert " was expected, not '" in fault


def test_an_address_in_s3_is_taken_with_and_without_its_last_slash():
    for address in ("s3://rows", "s3://rows/", "s3://rows/2026/11", "s3://rows/2026/11/"):
        assert stage_of("batch", batch={"input": address}).batch.input == address
    assert "was expected" in faults("batch", batch={"input": "s3://rows//2026"})[0]


def test_a_stage_is_called_what_its_file_is_called(tmp_path):
    """Or `destroy` of one would take another down."""
    with pytest.raises(Refused, match="name: a stage is called what its file is called, here mine"):
        stage_of("serverless", name="yours")


def test_networks_are_named_by_ids():
    network = {"subnets": ["*"], "security_groups": ["default"]}
    assert [fault.partition(", not")[0] for fault in faults("instance", vpc=network)] == [
        "vpc.subnets.0: a subnet's id, such as subnet-0123abcd, was expected",
        "vpc.security_groups.0: a security group's id, such as sg-0123abcd, was expected",
    ]
    stage_of("instance", vpc={"subnets": ["subnet-0123abcd"], "security_groups": ["sg-0123abcd"]})


def test_a_variable_has_at_most_1024_characters():
    assert "environment.X: " in faults("instance", environment={"X": "x" * 1025})[0]


def test_mail_goes_to_an_address():
    assert "an e-mail address was expected" in faults("asynchronous", asynchronous={"email": "me"})[0]


def test_a_pipelines_container_has_a_name_that_sagemaker_takes():
    containers = [{"name": "a_b", "image": "x"}, {"name": "c", "image": "x"}]
    assert "containers.0.name: a name of letters, digits and hyphens" in faults("pipeline", containers=containers)[0]


def test_the_kind_is_one_of_five(tmp_path):
    with pytest.raises(Refused, match="kind: 'serverles' is none of instance, pipeline, asynchronous, serverless, ba"):
        parse_stage("mine", {"kind": "serverles"}, "mine.toml")
    with pytest.raises(Refused, match="kind is missing: one of instance, "):
        parse_stage("mine", BEGINNING, "mine.toml")


def test_a_file_that_is_no_toml_is_said_to_be_none(tmp_path):
    with pytest.raises(Refused, match=r"mine.toml is not TOML: .*line 1"):
        parse_file("mine", "kind: instance", "mine.toml")
    (tmp_path / "mine.toml").write_bytes(b"kind = '\xff'")
    with pytest.raises(Refused, match="is not TOML: 'utf-8' codec"):
        read_stage("mine", tmp_path)


def test_a_stage_that_is_not_there_is_looked_for_among_those_that_are(tmp_path):
    with pytest.raises(Refused) as refused:
        read_stage("mine", tmp_path)
    assert list(refused.value.lines) == [
        f"no stage mine: looked for {tmp_path}/mine.toml.",
        "There is no stage yet.",
        "make new_stage makes one: make new_stage STAGE=abalone KIND=serverless MODEL=abalone IMAGE=…",
    ]
    (tmp_path / "yours.toml").touch()
    with pytest.raises(Refused, match="The stages here: yours"):
        read_stage("mine", tmp_path)


@pytest.mark.parametrize("name", ["my_model", "-mine", "mine-", "../mine", "a" * 54, "-".join("ab" * 20)])
def test_a_stage_has_a_name_that_sagemaker_takes_for_an_endpoint(name, tmp_path):
    with pytest.raises(Refused, match="cannot name a stage"):
        read_stage(name, tmp_path)


def test_a_stage_is_named(tmp_path):
    with pytest.raises(Refused, match="No stage was named: STAGE=name is a file in deploy/stages"):
        read_stage("", tmp_path)
