"""What SageMaker would refuse later is refused before anything is created, in words."""

import pytest

from deploy.errors import Refused
from deploy.facts import Account, Facts, Image
from deploy.stage import instance_types
from deploy.stage.files import KINDS, parse_stage
from deploy.stage.kinds import Update
from deploy.stage.rules import GB, longest_update, refusals, require_possible

URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/abalone@sha256:" + "0" * 64
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
KEY = "arn:aws:kms:{}:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
LEAST = {
    "instance": {"image": URI, "instance": {"type": "ml.m5.large"}},
    "serverless": {"image": URI},
    "asynchronous": {"image": URI, "instance": {"type": "ml.m5.large"}},
    "batch": {"image": URI, "instance": {"type": "ml.m5.large"}},
    "pipeline": {
        "instance": {"type": "ml.m5.large"},
        "containers": [{"name": "first", "image": URI}, {"name": "second", "image": URI}],
    },
}


def stage_of(kind, **settings):
    return parse_stage("mine", {"owner": "me@example.com", "kind": kind, **LEAST[kind], **settings}, "mine.toml")


def facts(architecture="amd64", size=GB):
    image = Image(URI, DOCKER, architecture, size)
    return Facts(Account("123456789012", "aws", "us-east-1"), "bucket", (image,), (None,))


def said(kind, about=None, **settings):
    return list(refusals(stage_of(kind, **settings), about or facts()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_stage_is_possible(kind):
    require_possible(stage_of(kind), facts())


def test_everything_impossible_is_said_at_once():
    impossible = stage_of("instance", instance={"type": "ml.m6g.large"}, tags={"owner": "you", "aws:x": "y"})
    with pytest.raises(Refused) as refused:
        require_possible(impossible, facts())
    assert refused.value.lines[0] == "The stage mine cannot be deployed as it is:"
    assert len(refused.value.lines) == 4


def test_an_image_for_the_other_processor_is_refused():
    (on_graviton,) = said("instance", instance={"type": "ml.m6g.large"})
    assert said("instance", instance={"type": "ml.m6g.large"}, about=facts("arm64")) == []
    assert on_graviton == (
        f"instance.type: ml.m6g.large needs an image for linux/arm64, and {URI} is for linux/amd64: it would not "
        "start. Push another with ./build_and_push.sh NAME --platform linux/arm64."
    )
    assert "needs an image for linux/amd64" in said("instance", about=facts("arm64"))[0]
    assert said("serverless", about=facts("arm64"))[0].startswith("A serverless endpoint needs an image for linux/amd")


def test_an_instance_type_is_one_that_sagemaker_has():
    (fault,) = said("instance", instance={"type": "ml.m5.huge"})
    assert fault == (
        "instance.type: SageMaker has no ml.m5.huge for endpoints. It has ml.m5.12xlarge, ml.m5.24xlarge, "
        "ml.m5.2xlarge, ml.m5.4xlarge, ml.m5.large, ml.m5.xlarge."
    )
    (fault,) = said("instance", instance={"type": "ml.m7g.large"}, about=facts("arm64"))
    assert fault.endswith("It has ml.m5.large, ml.c6i.xlarge, ml.m6i.large.")
    assert said("batch", instance={"type": "ml.m8g.large"}, about=facts("arm64"))[0].startswith(
        "instance.type: SageMaker has no ml.m8g.large for transform jobs."
    )


@pytest.mark.parametrize(
    ("name", "architecture", "disk"),
    [
        ("ml.m5.large", "amd64", False),
        ("ml.m5d.large", "amd64", True),
        ("ml.g4dn.xlarge", "amd64", True),
        ("ml.g5.xlarge", "amd64", True),
        ("ml.m6g.large", "arm64", False),
        ("ml.c6gn.large", "arm64", False),
        ("ml.r7gd.medium", "arm64", True),
        ("ml.p4d.24xlarge", "amd64", True),
        ("ml.inf2.xlarge", "amd64", False),
        ("ml.p6-b200.48xlarge", "amd64", True),
        ("ml.p6e-gb200.36xlarge", "arm64", True),
    ],
)
def test_an_instance_types_name_says_what_it_is(name, architecture, disk):
    assert instance_types.architecture(name) == architecture
    assert instance_types.has_local_disk(name) is disk
    assert name in instance_types.for_endpoints()


def test_a_serverless_image_has_at_most_10_gb():
    assert said("serverless", about=facts(size=11 * GB)) == [
        f"A serverless endpoint takes images of up to 10 GB, and {URI} has 11.0 GB."
    ]
    assert said("instance", about=facts(size=11 * GB)) == []


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"autoscaling": {"min": 3, "max": 2}}, "autoscaling: min = 3 is more than max = 2."),
        ({"autoscaling": {"min": 2, "max": 4}}, "instance.count = 1 is not within autoscaling's 2 to 4"),
        ({"autoscaling": {"max": 2}, "instance": {"type": "ml.m5.large", "count": 3}}, "instance.count = 3 is not wi"),
        ({"autoscaling": {"max": 2}, "instance": {"type": "ml.t2.medium"}}, "autoscaling: ml.t2.medium is burstable"),
        ({"update": {"traffic": "canary"}}, 'update.traffic = "canary" shifts traffic by instances and needs two'),
        (
            {"update": {"traffic": "linear", "step_percent": 5}, "instance": {"type": "ml.m5.large", "count": 2}},
            "update.step_percent = 5: SageMaker's linear steps are 10 to 50 %.",
        ),
        (
            {
                "update": {"traffic": "linear", "step_percent": 10, "wait_seconds": 3600},
                "instance": {"type": "ml.m5.large", "count": 2},
            },
            "update: its waits add up to 34500 s, and SageMaker gives an update at most 28800 s.",
        ),
        ({"key": KEY.format("eu-west-1")}, "lies in eu-west-1, the stage in us-east-1"),
        (
            {"key": KEY.format("us-east-1"), "instance": {"type": "ml.m5d.large"}},
            "key: ml.m5d.large has a disk of its own, which its hardware encrypts",
        ),
        ({"environment": {"SAGEMAKER_BIND_TO_PORT": "9"}}, "SAGEMAKER_BIND_TO_PORT is SageMaker's to set"),
        ({"tags": {"owner": "you"}}, "tags: owner is set by deploy; take another name."),
        ({"tags": {"team": "a, b"}}, "tags: team = 'a, b': AWS takes letters, digits, spaces and _ . : / = + - @"),
        ({"owner": "Ann O'Neil"}, """tags: owner = "Ann O'Neil": AWS takes letters"""),
        ({"tags": {"Owner": "you"}}, "tags: Owner is set by deploy; take another name."),
        ({"tags": {"Team": "a", "team": "b"}}, "tags: Team and team are the same to AWS; keep one."),
        ({"tags": {"": "a"}}, "tags:  = 'a': AWS takes letters"),
        ({"owner": "a\nb"}, "tags: owner = 'a\\nb': AWS takes letters"),
        ({"instance": {"type": "ml.inf1.xlarge"}}, "instance.type: SageMaker cannot take an update back on ml.inf1.xl"),
        ({"tags": {"aws:x": "y"}}, "tags: aws:x is reserved by AWS; take another name."),
    ],
)
def test_what_an_endpoint_on_instances_cannot_have_is_refused(settings, fault):
    (sentence,) = said("instance", **settings)
    assert fault in sentence


def test_what_looks_alike_and_is_possible_is_not_refused():
    assert said("instance", autoscaling={"min": 2, "max": 4}, instance={"type": "ml.m5.large", "count": 2}) == []
    assert said("asynchronous", autoscaling={"min": 0, "max": 2}) == []
    assert said("instance", key=KEY.format("us-east-1")) == []
    canary = {"traffic": "canary", "step_percent": 50}
    assert said("instance", update=canary, instance={"type": "ml.m5.large", "count": 2}) == []


def test_provisioned_concurrency_is_a_part_of_the_concurrency():
    (sentence,) = said("serverless", serverless={"concurrency": 2, "provisioned": 3})
    assert sentence == "serverless.provisioned = 3 is more than serverless.concurrency = 2, of which it is a part."
    assert said("serverless", serverless={"concurrency": 3, "provisioned": 3}) == []


def test_a_pipelines_containers_have_different_names():
    same = [{"name": "same", "image": URI}, {"name": "same", "image": URI}, {"name": "same", "image": URI}]
    assert said("pipeline", containers=same) == ["containers: two are called same; each needs a name of its own."]


def test_mail_needs_a_topic_that_sends_it():
    (sentence,) = said("asynchronous", asynchronous={"email": "me@x.org", "notify": False})
    assert "notify = false makes none" in sentence
    assert said("asynchronous", asynchronous={"email": "me@x.org"}) == []


def test_a_request_of_a_transform_job_has_no_more_time_than_the_container_gives_it():
    slow = {"timeout_seconds": 3600}
    (sentence,) = said("batch", batch=slow)
    assert sentence.startswith("batch.timeout_seconds = 3600: the container gives up after 600 s, unless")
    assert sentence.endswith('SAGEMAKER_MODEL_SERVER_TIMEOUT = "3600".')
    assert said("batch", batch=slow, environment={"SAGEMAKER_MODEL_SERVER_TIMEOUT": "3600"}) == []
    assert said("batch", batch={"timeout_seconds": 600}) == []


def test_a_transform_jobs_container_has_at_most_16_variables():
    variables = {f"V{number}": "x" for number in range(17)}
    assert said("batch", environment=variables) == [
        "environment: a transform job's container takes 16 variables, and there are 17."
    ]
    assert said("instance", environment=variables) == []


@pytest.mark.parametrize(
    ("update", "seconds"),
    [
        (Update(), 2100),
        (Update(traffic="canary", wait_seconds=100, bake_seconds=200), 2100),
        (Update(traffic="linear", step_percent=25, wait_seconds=100, bake_seconds=0), 2100),
        (Update(traffic="linear", step_percent=30, wait_seconds=100, bake_seconds=0), 2100),
    ],
)
def test_an_update_may_take_its_waits_and_half_an_hour(update, seconds):
    """Linear steps of 25 % are four, of 30 % four as well; the last needs no wait."""
    assert longest_update(update) == seconds
