"""What a stage becomes: a template that says no more and no less than the stage does, and that AWS would take."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.errors import Refused
from deploy.facts import Image
from deploy.stack.template import as_text, instance_type, is_scaled, render, without_scaling
from deploy.stage.rules import LONGEST_UPDATE
from sample_stages import ACCOUNT, CHINA, COMPARED, EXPECTED, MB, OPTIONS, facts_of, stage_of

CFN_LINT = Path(sys.executable).with_name("cfn-lint")
AGAIN = "if this is how it should be: PYTHONPATH=.:tests python tests/sample_stages.py"
every_option = pytest.mark.parametrize("option", OPTIONS)


def template_of(option, account=ACCOUNT, size=25 * MB, **settings):
    stage = stage_of(option, **settings)
    return render(stage, facts_of(stage, account, size))


def properties_of(template, name):
    return template["Resources"][name]["Properties"]


def variant_of(template):
    (variant,) = properties_of(template, "EndpointConfig")["ProductionVariants"]
    return variant


def everything_in(value):
    """Yield every dictionary of a template."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from everything_in(inner)


# -- as a whole


@pytest.mark.parametrize("option", COMPARED)
def test_a_stage_becomes_this_template(option):
    assert as_text(template_of(option)) + "\n" == (EXPECTED / f"{option}.json").read_text(), AGAIN


@every_option
def test_the_same_stage_becomes_the_same_template(option):
    assert as_text(template_of(option)) == as_text(template_of(option))


def test_cfn_lint_finds_nothing_in_any_template(tmp_path):
    for option in OPTIONS:
        (tmp_path / f"{option}.json").write_text(as_text(template_of(option)))
    (tmp_path / "china.json").write_text(as_text(template_of("asynchronous_from_zero", CHINA)))
    unscaled = without_scaling(template_of("asynchronous_from_zero"))
    (tmp_path / "unscaled.json").write_text(as_text(unscaled))
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    ran = subprocess.run([CFN_LINT, *files], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


@every_option
def test_a_template_is_concrete(option):
    template = template_of(option)
    intrinsics = {name for part in everything_in(template) for name in part if name.startswith("Fn::")}

    assert set(template) == {"AWSTemplateFormatVersion", "Description", "Resources", "Outputs"}
    assert intrinsics <= {"Fn::GetAtt"}


@every_option
def test_what_is_replaced_by_an_update_has_no_name_of_its_own(option):
    resources = template_of(option)["Resources"]

    assert not {"ModelName", "EndpointConfigName", "RoleName"} & {
        name for logical, one in resources.items() if logical != "Endpoint" for name in one["Properties"]
    }


@every_option
def test_what_can_be_tagged_says_whose_it_is_and_what_it_costs(option):
    cannot = {"AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy"}
    stage = stage_of(option)
    for resource in template_of(option)["Resources"].values():
        if resource["Type"] not in cannot:
            tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
            assert tags.items() >= {"stage": "abalone", "owner": "ann@example.com", "kind": stage.kind}.items()
            assert tags.items() >= stage.tags.items()
            assert tags["managed-by"] == "python -m deploy"
            assert tags["cost-note"]


@pytest.mark.parametrize(
    ("option", "note"),
    [
        ("instance", "1 x ml.m5.large billed while the endpoint exists"),
        ("instance_with_everything", "2 to 6 x ml.c6i.xlarge billed while the endpoint exists"),
        ("asynchronous_from_zero", "0 to 3 x ml.m5.large billed while requests wait or run"),
        ("asynchronous_with_a_key", "1 to 2 x ml.m5.large billed while the endpoint exists"),
        ("serverless", "billed for each request by its duration"),
        (
            "serverless_with_everything",
            "provisioned concurrency of 5 billed while the endpoint exists and requests by duration",
        ),
    ],
)
def test_the_endpoints_tag_says_what_is_billed_and_when(option, note):
    tags = properties_of(template_of(option), "Endpoint")["Tags"]

    assert {"Key": "cost-note", "Value": note} in tags


def test_a_batch_stage_has_a_model_and_nothing_that_is_billed_by_the_hour():
    template = template_of("batch")
    note = {"Key": "cost-note", "Value": "2 x ml.m5.large billed while a transform job runs"}

    assert set(template["Resources"]) == {"Role", "Model"}
    assert note in properties_of(template, "Model")["Tags"]
    assert set(template["Outputs"]) == {"ModelName"}


def test_callers_are_told_the_names_of_what_is_there():
    assert set(template_of("asynchronous")["Outputs"]) == {"EndpointName", "ModelName", "SuccessTopic", "ErrorTopic"}
    assert set(template_of("instance")["Outputs"]) == {"EndpointName", "ModelName"}


# -- the model


def test_a_model_that_is_in_the_image_has_no_archive():
    stage = stage_of("serverless", model=None)
    template = render(stage, facts_of(stage))

    assert "ModelDataUrl" not in properties_of(template, "Model")["PrimaryContainer"]
    assert "ReadModels" not in as_text(template)


def test_a_container_without_variables_has_no_environment():
    assert "Environment" not in properties_of(template_of("instance"), "Model")["PrimaryContainer"]


def test_another_archive_makes_another_role_so_that_the_old_endpoint_keeps_the_right_to_its_own():
    stage = stage_of("instance")
    facts = facts_of(stage)
    (archive,) = facts.archives
    newer = type(facts)(ACCOUNT, facts.bucket, facts.images, [type(archive)(archive.url.replace("0a1b", "9f9f"), 1)])
    paths = {properties_of(render(stage, known), "Role")["Path"] for known in (facts, newer)}

    assert len(paths) == 2
    assert all(re.fullmatch(r"/byoc/abalone/[0-9a-f]{8}/", path) for path in paths)


def test_an_image_outside_of_ecr_is_refused():
    stage = stage_of("instance")
    facts = facts_of(stage)
    elsewhere = type(facts)(ACCOUNT, facts.bucket, [Image("example.com/abalone:1", "x", "amd64", 1)], facts.archives)

    with pytest.raises(Refused, match="is not in ECR"):
        render(stage, elsewhere)


# -- the endpoint


@pytest.mark.parametrize(
    ("size", "seconds"),
    [(1, 60), (600 * MB, 60), (601 * MB, 61), (5_000 * MB, 500), (90_000 * MB, 3600)],
)
def test_a_download_may_take_as_long_as_10_mb_a_second_take_and_what_sagemaker_allows(size, seconds):
    assert variant_of(template_of("instance", size=size))["ModelDataDownloadTimeoutInSeconds"] == seconds


def test_a_pipelines_archives_are_downloaded_within_the_time_of_all_of_them():
    assert variant_of(template_of("pipeline", size=500 * MB))["ModelDataDownloadTimeoutInSeconds"] == 100


def test_the_time_of_a_download_whose_size_is_unknown_is_left_to_sagemaker():
    assert "ModelDataDownloadTimeoutInSeconds" not in variant_of(template_of("instance", size=None))


@pytest.mark.parametrize(
    ("option", "most"),
    [
        ("instance", 300 + 1800 + 300 + 60),
        ("instance_with_everything", 120 + 600 + 1800 + 600 + 60),
        ("instance_in_linear_steps", 3 * 60 + 300 + 1800 + 300 + 60),
        ("serverless", 300 + 1800 + 60),
    ],
)
def test_an_update_may_take_longer_than_all_its_waits(option, most):
    policy = properties_of(template_of(option), "Endpoint")["DeploymentConfig"]["BlueGreenUpdatePolicy"]

    assert policy["MaximumExecutionTimeoutInSeconds"] == most


def test_an_update_never_asks_for_more_time_than_sagemaker_gives():
    update = {"traffic": "linear", "step_percent": 10, "wait_seconds": 2900, "bake_seconds": 0}
    template = template_of("instance_in_linear_steps", update=update, start_up_seconds=3600)
    policy = properties_of(template, "Endpoint")["DeploymentConfig"]["BlueGreenUpdatePolicy"]

    assert policy["MaximumExecutionTimeoutInSeconds"] == LONGEST_UPDATE


@pytest.mark.parametrize(
    ("traffic", "routing"),
    [
        ("all-at-once", {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}),
        (
            "canary",
            {
                "Type": "CANARY",
                "WaitIntervalInSeconds": 30,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
            },
        ),
        (
            "linear",
            {
                "Type": "LINEAR",
                "WaitIntervalInSeconds": 30,
                "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
            },
        ),
    ],
)
def test_an_update_takes_over_as_the_stage_says(traffic, routing):
    template = template_of("instance", update={"traffic": traffic, "step_percent": 50, "wait_seconds": 30})
    deployment = properties_of(template, "Endpoint")["DeploymentConfig"]

    assert deployment["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"] == routing
    assert deployment["AutoRollbackConfiguration"] == {
        "Alarms": [{"AlarmName": {"Ref": "ErrorsAlarm"}}, {"AlarmName": {"Ref": "LatencyAlarm"}}]
    }


def test_the_variant_has_one_name_for_ever():
    options = [option for option in OPTIONS if not option.startswith("batch")]

    assert {variant_of(template_of(option))["VariantName"] for option in options} == {"AllTraffic"}


def test_latency_is_watched_in_the_metrics_own_microseconds():
    alarm = properties_of(template_of("serverless_with_everything"), "LatencyAlarm")

    assert (alarm["MetricName"], alarm["Threshold"]) == ("ModelLatency", 900_000)


@pytest.mark.parametrize("alarm", ["ErrorsAlarm", "LatencyAlarm"])
def test_an_update_is_judged_by_the_new_fleet_alone(alarm):
    """If the old fleet's errors counted, an endpoint that fails could never be updated to what mends it."""
    assert properties_of(template_of("instance"), alarm)["Dimensions"] == [
        {"Name": "EndpointName", "Value": "abalone"},
        {"Name": "VariantName", "Value": "AllTraffic"},
        {"Name": "EndpointConfigName", "Value": {"Fn::GetAtt": ["EndpointConfig", "EndpointConfigName"]}},
    ]


def test_an_asynchronous_endpoint_that_tells_nobody_has_no_topics():
    template = template_of("asynchronous_unheard")
    output = properties_of(template, "EndpointConfig")["AsyncInferenceConfig"]["OutputConfig"]

    assert not [one for one in template["Resources"].values() if one["Type"] == "AWS::SNS::Topic"]
    assert "NotificationConfig" not in output
    assert set(template["Outputs"]) == {"EndpointName", "ModelName"}


def test_mail_is_sent_for_failures_alone():
    template = template_of("asynchronous_from_zero")
    mail = [{"Protocol": "email", "Endpoint": "ann@example.com"}]

    assert properties_of(template, "ErrorTopic")["Subscription"] == mail
    assert "Subscription" not in properties_of(template, "SuccessTopic")


@pytest.mark.parametrize(("option", "key"), [("asynchronous", "alias/aws/sns"), ("asynchronous_with_a_key", "arn:aws")])
def test_notifications_are_encrypted(option, key):
    template = template_of(option)

    assert properties_of(template, "ErrorTopic")["KmsMasterKeyId"].startswith(key)
    assert properties_of(template, "SuccessTopic")["KmsMasterKeyId"].startswith(key)


def test_an_endpoint_wakes_from_zero_only_if_it_may_sleep():
    assert {"WakingPolicy", "WakingAlarm"} <= set(template_of("asynchronous_from_zero")["Resources"])
    assert not {"WakingPolicy", "WakingAlarm"} & set(template_of("asynchronous_with_a_key")["Resources"])


@pytest.mark.parametrize("option", ["instance_with_everything", "pipeline_with_everything", "asynchronous_from_zero"])
def test_a_scaled_endpoint_keeps_its_instances_at_an_update(option):
    endpoint = properties_of(template_of(option), "Endpoint")

    assert endpoint["RetainAllVariantProperties"] is True
    assert template_of(option)["Resources"]["ScalableTarget"]["DependsOn"] == "Endpoint"


@pytest.mark.parametrize("option", ["asynchronous_from_zero", "instance_with_everything"])
def test_an_update_keeps_what_scaling_decided_but_not_what_was_captured(option):
    """Or a stage that captures no more would go on capturing."""
    properties = properties_of(template_of(option), "Endpoint")
    assert properties["RetainAllVariantProperties"]
    assert properties["ExcludeRetainedVariantProperties"] == [{"VariantPropertyType": "DataCaptureConfig"}]


def test_an_endpoint_that_is_not_scaled_gets_the_number_of_instances_that_its_file_says():
    assert "RetainAllVariantProperties" not in properties_of(template_of("instance"), "Endpoint")


# -- changes of the instance type


@pytest.mark.parametrize("option", ["instance_with_everything", "asynchronous_from_zero"])
def test_a_template_without_scaling_is_the_same_but_for_what_scales(option):
    template = template_of(option)
    unscaled = without_scaling(template)
    scaling = {"ScalableTarget", "ScalingPolicy", "WakingPolicy", "WakingAlarm"}

    assert is_scaled(template)
    assert not is_scaled(unscaled)
    assert set(unscaled["Resources"]) == set(template["Resources"]) - scaling
    assert all(template["Resources"][name] == one for name, one in unscaled["Resources"].items())
    assert unscaled["Outputs"] == template["Outputs"]


@pytest.mark.parametrize(
    ("option", "found"),
    [("instance", "ml.m5.large"), ("serverless", None), ("batch", None), ("pipeline", "ml.m5.large")],
)
def test_a_template_tells_its_endpoints_instance_type(option, found):
    assert instance_type(template_of(option)) == found


def test_a_template_is_read_back_as_what_was_sent():
    template = template_of("instance_with_everything")

    assert json.loads(as_text(template)) == template
