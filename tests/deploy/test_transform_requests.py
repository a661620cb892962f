"""What a transform job is asked to do follows from the media types, unless the stage says otherwise."""

from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from deploy.call.cutting import BY_TYPE, accept_of, cut_of
from deploy.call.transform import input_of, job_name, planned, refusals
from deploy.errors import Refused
from deploy.stage.files import parse_stage
from deploy.stage.kinds import Batch

URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/abalone@sha256:" + "0" * 64
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BUCKET = "sagemaker-us-east-1-123456789012"
NOW = datetime(2026, 11, 20, 17, 5, 9, tzinfo=UTC)
NPY = "application/x-npy"


def stage_of(name="shells", instance="ml.m5.large", **batch):
    settings = {key: batch.pop(key) for key in ("key", "tags") if key in batch}
    content = {"kind": "batch", "owner": "me", "image": URI, "instance": {"type": instance}, "batch": batch, **settings}
    return parse_stage(name, content, "shells.toml")


def said(**batch):
    return list(refusals(stage_of(**batch), BUCKET))


def cut(content_type, accept=None, **more):
    chosen = cut_of(Batch(content_type=content_type, accept=accept, **more))
    return chosen.split, chosen.strategy, chosen.assemble


@pytest.mark.parametrize(
    ("content_type", "accept", "expected"),
    [
        ("text/csv", None, ("Line", "MultiRecord", "None")),
        ("text/csv", "text/csv", ("Line", "MultiRecord", "None")),
        ("text/csv; charset=utf-8", "Application/JSONLines", ("Line", "MultiRecord", "None")),
        ("application/jsonlines", None, ("Line", "MultiRecord", "None")),
        ("application/x-ndjson", "text/csv", ("Line", "MultiRecord", "None")),
        ("text/csv", "application/json", ("Line", "SingleRecord", "Line")),
        ("application/jsonl", "text/json", ("Line", "SingleRecord", "Line")),
        ("application/json", None, ("Line", "SingleRecord", "Line")),
        ("application/json", "application/json", ("Line", "SingleRecord", "Line")),
        ("application/json", "text/csv", ("Line", "SingleRecord", "None")),
        ("application/json", "application/jsonlines", ("Line", "SingleRecord", "None")),
        (NPY, None, ("None", None, "None")),
        (NPY, "text/csv", ("None", None, "None")),
        ("text/csv", NPY, ("None", None, "None")),
        ("image/png", "application/json", ("None", None, "None")),
    ],
)
def test_files_are_cut_by_their_types(content_type, accept, expected):
    assert cut(content_type, accept) == expected


def test_every_pair_of_known_types_is_thought_of():
    known = {one for pair in BY_TYPE for one in pair}
    assert set(BY_TYPE) == {(one, other) for one in known for other in known}


@pytest.mark.parametrize(
    ("content_type", "accept"),
    [("text/csv", "text/csv"), ("application/json", "application/json"), (NPY, None), ("image/png", None)],
)
def test_answers_are_of_the_requests_type_where_that_can_be_put_together(content_type, accept):
    """Without Accept the container would answer in its own default, such as one JSON list for many rows."""
    assert accept_of(Batch(content_type=content_type)) == accept


def test_what_the_stage_says_wins():
    assert cut("text/csv", strategy="SingleRecord") == ("Line", "SingleRecord", "None")
    assert cut("text/csv", assemble="Line") == ("Line", "MultiRecord", "Line")
    assert cut("application/json", split="None") == ("None", None, "None")
    assert cut("application/x-recordio", split="RecordIO") == ("RecordIO", None, "None")
    assert accept_of(Batch(content_type="text/csv", accept="application/json")) == "application/json"


def test_joining_takes_lines_on_both_sides():
    assert cut("text/csv", join=True) == ("Line", "MultiRecord", "Line")
    assert cut("application/json", join=True) == ("Line", "SingleRecord", "Line")


def test_the_whole_request():
    stage = stage_of(content_type="text/csv", tags={"team": "sea"})
    assert planned(stage, "model-1", BUCKET, NOW) == {
        "TransformJobName": "shells-20261120-170509",
        "ModelName": "model-1",
        "TransformInput": {
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/stages/shells/batch/input/"}
            },
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{BUCKET}/stages/shells/batch/output/shells-20261120-170509",
            "AssembleWith": "None",
            "Accept": "text/csv",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 600, "InvocationsMaxRetries": 3},
        "BatchStrategy": "MultiRecord",
        "Tags": [
            {"Key": "team", "Value": "sea"},
            {"Key": "stage", "Value": "shells"},
            {"Key": "kind", "Value": "batch"},
            {"Key": "owner", "Value": "me"},
            {"Key": "managed-by", "Value": "python -m deploy"},
            {"Key": "cost-note", "Value": "1 x ml.m5.large billed while a transform job runs"},
        ],
    }


def test_the_introductions_job_is_asked_as_the_introduction_asks_it():
    request = planned(stage_of(content_type="application/json"), "model-1", BUCKET, NOW)
    assert request["TransformInput"]["SplitType"] == "Line"
    assert request["TransformInput"]["ContentType"] == "application/json"
    assert request["TransformOutput"]["AssembleWith"] == "Line"
    assert request["TransformResources"] == {"InstanceType": "ml.m5.large", "InstanceCount": 1}


def test_how_many_requests_at_once_is_the_containers_to_say_unless_the_stage_does():
    assert {"MaxConcurrentTransforms", "MaxPayloadInMB"}.isdisjoint(planned(stage_of(), "m", BUCKET, NOW))
    request = planned(stage_of(max_concurrent=4, max_payload_mb=25), "m", BUCKET, NOW)
    assert (request["MaxConcurrentTransforms"], request["MaxPayloadInMB"]) == (4, 25)


def test_everything_that_a_stage_can_say_is_asked_for():
    stage = stage_of(
        key=KEY,
        input="s3://rows/new/",
        output="s3://answers/new",
        content_type="text/csv",
        join=True,
        input_filter="$[1:]",
        output_filter="$[0,-1]",
        timeout_seconds=60,
        retries=0,
    )
    request = planned(stage, "m", BUCKET, NOW)
    assert request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] == "s3://rows/new/"
    assert request["TransformOutput"]["S3OutputPath"] == "s3://answers/new"
    assert request["TransformOutput"]["KmsKeyId"] == KEY
    assert request["TransformResources"]["VolumeKmsKeyId"] == KEY
    assert request["DataProcessing"] == {"JoinSource": "Input", "InputFilter": "$[1:]", "OutputFilter": "$[0,-1]"}
    assert request["ModelClientConfig"] == {"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 0}


@pytest.mark.parametrize("batch", [{}, {"content_type": NPY}, {"join": True}, {"max_concurrent": 2}])
def test_sagemakers_own_model_takes_the_request(batch):
    request = planned(stage_of(**batch), "m", BUCKET, NOW)
    client = boto3.client("sagemaker", "us-east-1", aws_access_key_id="nobody", aws_secret_access_key="nothing")
    with Stubber(client) as stubber:
        arn = "arn:aws:sagemaker:us-east-1:123456789012:transform-job/x"
        stubber.add_response("create_transform_job", {"TransformJobArn": arn}, request)
        assert client.create_transform_job(**request)["TransformJobArn"] == arn


def test_rows_of_this_machine_have_a_place_of_their_own_so_that_older_ones_are_not_taken_again():
    request = planned(stage_of(input="s3://rows/new"), "m", BUCKET, NOW, Path("rows.csv"))
    sent = f"s3://{BUCKET}/stages/shells/batch/sent/shells-20261120-170509/"
    assert request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] == sent
    assert not sent.startswith(input_of(stage_of(), BUCKET))


def test_the_longest_name_of_a_stage_leaves_room_for_the_time():
    name = job_name(stage_of("a" * 46 + "-b12345"), NOW)
    assert name == "a" * 46 + "-20261120-170509"
    assert len(job_name(stage_of("a" * 53), NOW)) == 63


def test_more_at_once_than_sagemaker_has_room_for_is_refused():
    assert said(max_concurrent=5, max_payload_mb=20) == []
    (line,) = said(max_concurrent=5, max_payload_mb=21)
    assert line == (
        "batch: max_concurrent = 5 requests of max_payload_mb = 21 are more than the 100 MB that SageMaker has for "
        "both. Leave them out: the container knows."
    )


def test_a_join_without_lines_is_refused():
    assert said(join=True, assemble="None") == [
        'batch.join needs split and assemble to be "Line", not "Line" and "None".'
    ]
    assert said(join=True, split="None") == ['batch.join needs split and assemble to be "Line", not "None" and "Line".']


def test_a_join_of_two_types_is_refused():
    assert said(join=True, accept="application/json") == [
        "batch.join puts answers beside rows of their own type, not application/json beside text/csv. Leave accept out."
    ]


@pytest.mark.parametrize("setting", [{"join": True}, {"input_filter": "$[1:]"}, {"output_filter": "$[0]"}])
def test_filters_of_what_sagemaker_does_not_read_are_refused(setting):
    (name,) = setting
    (fault,) = said(content_type=NPY, **setting)
    assert fault.startswith(f"batch.{name}: SageMaker looks into text/csv, application/json, application/jsonlines, ")
    assert fault.endswith("and not into application/x-npy.")


def test_many_records_without_a_cut_are_refused():
    assert said(split="None", strategy="MultiRecord") == [
        'batch.strategy = "MultiRecord": there is one record where split is "None". Leave it out.'
    ]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("s3://bbb/rows/", "s3://bbb/rows"),
        ("s3://bbb/rows", "s3://bbb/rows/"),
        ("s3://bbb/rows/", "s3://bbb/rows/out"),
        ("s3://bbb/rows", "s3://bbb/rows-out"),
        ("s3://bbb", "s3://bbb/out"),
    ],
)
def test_answers_that_the_next_job_would_take_for_rows_are_refused(source, target):
    (line,) = said(input=source, output=target)
    assert line == (
        f"batch.output: {target.rstrip('/')} begins with the input, {source}: the next job would take answers for "
        "rows. Choose another place, or end the input with a slash."
    )


@pytest.mark.parametrize(
    ("source", "target"),
    [("s3://bbb/rows/", "s3://bbb/rows-out"), ("s3://bbb/rows", "s3://bbbb/rows"), ("s3://bbb/a/rows", "s3://bbb/a")],
)
def test_answers_elsewhere_are_fine(source, target):
    assert said(input=source, output=target) == []


def test_a_graviton_is_refused_with_its_reason():
    (line,) = said(instance="ml.m6g.large")
    assert line == (
        "instance.type: ml.m6g.large: its processor is a Graviton, and transform jobs have none. "
        "Take an ml.m5.large, and an image for linux/amd64."
    )


def test_a_type_that_there_is_not_is_refused():
    (line,) = said(instance="ml.m5.tiny")
    assert line.startswith("instance.type: ml.m5.tiny: transform jobs have no such type. Take an ml.m5.large, ")


def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_planned():
    with pytest.raises(Refused) as caught:
        planned(stage_of(instance="ml.m6g.large", join=True, assemble="None"), "m", BUCKET, NOW)
    first, *others = caught.value.lines
    assert first == "The stage shells makes no transform job as it is:"
    assert len(others) == 2


@pytest.mark.parametrize("setting", ["input_filter", "output_filter"])
def test_what_is_filtered_is_cut_and_put_together_line_by_line(setting):
    """As AWS wants it wherever it looks into rows, for joins and without one."""
    cut = cut_of(Batch(content_type="text/csv", **{setting: "$[0]"}))
    assert (cut.split, cut.assemble) == ("Line", "Line")
    (fault,) = said(assemble="None", **{setting: "$[0]"})
    assert fault == f'batch.{setting} needs split and assemble to be "Line", not "Line" and "None".'


def test_another_name_for_a_type_is_not_one_that_filters_know():
    (fault,) = said(content_type="application/x-ndjson", output_filter="$[0]")
    assert fault.endswith("and not into application/x-ndjson.")
