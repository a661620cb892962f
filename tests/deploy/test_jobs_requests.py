"""What SageMaker is asked for is what its own model takes, and what the file says."""

import re

import botocore.session
import pytest
from botocore.validate import ParamValidator

from aws.stand_in.jobs.refusals import out_of_bounds
from deploy.job import requests
from sample_jobs import BUCKET, IMAGE, KEY, NOW, ROLE, SITE, job_of

SENT = f"s3://{BUCKET}/jobs/reviews/sent/0123456789abcdef/"
DATA = f"{SENT}reviews.json.zip"
TAGS = [
    {"Key": "job", "Value": "reviews"},
    {"Key": "owner", "Value": "me"},
    {"Key": "managed-by", "Value": "python -m deploy"},
    {"Key": "cost-note", "Value": "1 x ml.m5.large billed while the job runs"},
]
EVERYTHING = {
    "key": KEY,
    "tags": {"team": "toys"},
    "process": {
        "data": DATA,
        "outputs": ["train"],
        "instance_type": "ml.c5.xlarge",
        "volume_gb": 20,
        "max_seconds": 3600,
        "network_isolation": False,
        "environment": {"A": "1"},
    },
    "train": {
        "channels": ["train", "test"],
        "instance_type": "ml.c5.xlarge",
        "volume_gb": 20,
        "max_seconds": 3600,
        "network_isolation": False,
        "environment": {"A": "1"},
        "hyperparameters": {"epochs": 25, "rate": 0.5, "early": True, "loss": "hinge"},
        "metrics": {"validation:accuracy": "accuracy: ([0-9.]+)"},
    },
}


def processing(**settings):
    return requests.processing(job_of(**settings), SITE, DATA, SENT)


def training(code=SENT, **settings):
    return requests.training(job_of(**settings), SITE, SENT, code)


def test_the_whole_request_for_processing():
    """As the introduction asks: python3, the script, the data set's name; two inputs, two outputs."""
    place = f"s3://{BUCKET}/jobs/reviews/processed/reviews-process-20261120-170509"
    assert processing() == {
        "ProcessingJobName": "reviews-process-20261120-170509",
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/preprocess.py"],
            "ContainerArguments": ["reviews.json.zip"],
        },
        "ProcessingInputs": [source("data", DATA), source("code", SENT)],
        "ProcessingOutputConfig": {"Outputs": [target(name, place) for name in ("train", "validation")]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "NetworkConfig": {"EnableNetworkIsolation": True},
        "RoleArn": ROLE,
        "Tags": TAGS,
    }


def source(name, url):
    path = f"/opt/ml/processing/input/{name}"
    place = {"S3Uri": url, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": place}


def target(name, place):
    path = f"/opt/ml/processing/output/{name}"
    return {
        "OutputName": name,
        "S3Output": {"S3Uri": f"{place}/{name}", "LocalPath": path, "S3UploadMode": "EndOfJob"},
    }


def test_the_whole_request_for_training():
    """As the introduction asks: File mode, ml.m5.large, 5 GB, ten minutes, two channels; and one for the program."""
    assert training() == {
        "TrainingJobName": "reviews-train-20261120-170509",
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "InputDataConfig": [
            channel("train", f"{SENT}train/"),
            channel("validation", f"{SENT}validation/"),
            channel("code", SENT),
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/jobs/reviews/trained"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "EnableNetworkIsolation": True,
        "RoleArn": ROLE,
        "Tags": TAGS,
    }


def channel(name, url):
    place = {"S3DataType": "S3Prefix", "S3Uri": url, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": place}}


def test_a_program_that_is_in_the_image_is_no_channel():
    assert [one["ChannelName"] for one in training(code=None)["InputDataConfig"]] == ["train", "validation"]


def test_everything_that_the_file_can_say_is_asked_for():
    request = training(**EVERYTHING)
    assert request["HyperParameters"] == {"epochs": "25", "rate": "0.5", "early": "true", "loss": "hinge"}
    metrics = request["AlgorithmSpecification"]["MetricDefinitions"]
    assert metrics == [{"Name": "validation:accuracy", "Regex": "accuracy: ([0-9.]+)"}]
    assert request["OutputDataConfig"]["KmsKeyId"] == request["ResourceConfig"]["VolumeKmsKeyId"] == KEY
    assert (request["EnableNetworkIsolation"], request["Environment"]) == (False, {"A": "1"})
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}
    assert request["Tags"][0] == {"Key": "team", "Value": "toys"}
    request = processing(**EVERYTHING)
    assert request["ProcessingOutputConfig"]["KmsKeyId"] == KEY
    cluster = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 20, "VolumeKmsKeyId": KEY}
    assert request["ProcessingResources"]["ClusterConfig"] == cluster
    assert (request["NetworkConfig"], request["Environment"]) == ({"EnableNetworkIsolation": False}, {"A": "1"})
    assert [one["OutputName"] for one in request["ProcessingOutputConfig"]["Outputs"]] == ["train"]


def test_a_disk_that_is_the_machines_own_takes_no_key():
    request = training(key=KEY, train={"instance_type": "ml.g5.xlarge"})
    assert "VolumeKmsKeyId" not in request["ResourceConfig"]


@pytest.mark.parametrize("settings", [{}, EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize(("operation", "make"), [("CreateProcessingJob", processing), ("CreateTrainingJob", training)])
def test_sagemakers_own_model_takes_the_request(operation, make, settings):
    service = botocore.session.get_session().get_service_model("sagemaker")
    shape = service.operation_model(operation).input_shape
    assert ParamValidator().validate(make(**settings), shape).generate_report() == ""
    assert list(out_of_bounds(make(**settings), shape, "")) == []


def test_the_longest_name_of_a_job_leaves_room_for_the_time():
    name = requests.run_name(job_of("a" * 39), "process", NOW)
    assert len(name) == 63
    assert re.fullmatch("[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", name)
