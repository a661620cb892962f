"""What the stand-in must not lie about in processing and training jobs: folders, reasons, ends."""

import io
import json
import tarfile
from functools import cache

import pytest
from botocore.exceptions import ClientError

from server import until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

BUCKET = "jobs-of-the-stand-in"
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
         "Principal": {"Service": "sagemaker.amazonaws.com"}}]}  # fmt: skip
MACHINE = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}
WHAT_THERE_IS = """
import json, os, pathlib, socket
root = pathlib.Path("/opt/ml")
found = {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}
about = {"files": found, "environ": dict(os.environ), "host": socket.gethostname(),
         "network": [name for _, name in socket.if_nameindex()]}
(root / "model" / "about.json").write_text(json.dumps(about))
(root / "output" / "data" / "more.txt").write_text("more")
print("loss: 0.5"); print("loss: 0.25")
"""
SAVES_WHEN_TOLD = """
import pathlib, signal, sys, time
def save(*_):
    pathlib.Path("/opt/ml/model/partial").write_text("half a model")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(100)
"""
FAILS = """
import pathlib, sys
pathlib.Path("/opt/ml/output/failure").write_text("The rows have no labels. " + "x" * 2000)
sys.exit(3)
"""
PROCESSES = """
import json, pathlib, sys
root = pathlib.Path("/opt/ml")
out = root / "processing" / "output" / "train"
config = json.loads((root / "config" / "processingjobconfig.json").read_text())
(out / "deep").mkdir()
(out / "deep" / "a.txt").write_text((root / "processing" / "input" / "data" / sys.argv[1]).read_text().upper())
(out / "link.txt").symlink_to(out / "deep" / "a.txt")
(root / "output" / "message").write_text(config["AppSpecification"]["ContainerArguments"][-1] + " is done")
"""


@pytest.fixture(scope="module")
def client(aws):
    client = cache(aws.client)
    client("s3").create_bucket(Bucket=BUCKET)
    for key in ("data/train/a.csv", "data/train/deep/b.csv", "data/validation/c.csv"):
        client("s3").put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    return client


@pytest.fixture(scope="module")
def role(client):
    made = client("iam").create_role(RoleName="trainer", AssumeRolePolicyDocument=json.dumps(TRUST))
    return made["Role"]["Arn"]


@pytest.fixture(scope="module")
def train(client, role, smallest_image):
    """Begin a training job that is a program; return what waits for its end, and describes it."""

    def train(name, program, seconds=60, channels=("train", "validation"), **more):
        client("s3").put_object(Bucket=BUCKET, Key=f"data/{name}/main.py", Body=program.encode())
        specification = {
            "TrainingImage": smallest_image,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/main.py"],
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss: ([0-9.]+)"}],
        }
        client("sagemaker").create_training_job(
            **{"RoleArn": role, **more},
            InputDataConfig=[*map(channel, channels), {**channel(name), "ChannelName": "code"}],
            TrainingJobName=name,
            AlgorithmSpecification=specification,
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out/"},
            ResourceConfig=MACHINE,
            StoppingCondition={"MaxRuntimeInSeconds": seconds},
        )
        return lambda: described(name)

    def described(name):
        until(lambda: look(name)["TrainingJobStatus"] not in {"InProgress", "Stopping"}, f"the end of {name}")
        return look(name)

    def look(name):
        return client("sagemaker").describe_training_job(TrainingJobName=name)

    return train


def channel(name):
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/data/{name}/"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "ContentType": "text/csv"}


def archive(client, url):
    """Return what is in an archive, by its names."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    content = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: tar.extractfile(member).read().decode() for member in tar if member.isfile()}


def test_training_is_given_the_folders_that_sagemaker_documents_and_these_are_fetched(client, train):
    given = {"epochs": "3", "rate": "0.5"}
    more = {"HyperParameters": given, "EnableNetworkIsolation": True, "Environment": {"A": "1"}}
    ended = train("whole", WHAT_THERE_IS, **more)()
    assert (ended["TrainingJobStatus"], ended["SecondaryStatus"]) == ("Completed", "Completed")
    assert ended["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/out/whole/output/model.tar.gz"
    about = json.loads(archive(client, ended["ModelArtifacts"]["S3ModelArtifacts"])["about.json"])
    config = {name: json.loads(about["files"][f"input/config/{name}.json"]) for name in (
        "hyperparameters", "inputdataconfig", "resourceconfig")}  # fmt: skip
    assert config["hyperparameters"] == given
    assert config["inputdataconfig"]["train"] == {
        "TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None",
        "ContentType": "text/csv",
    }  # fmt: skip
    assert config["resourceconfig"]["hosts"] == [config["resourceconfig"]["current_host"]] == ["algo-1"]
    assert config["resourceconfig"]["network_interface_name"] == "eth0"
    data = {
        name: text for name, text in about["files"].items() if name.startswith("input/data/") and "code" not in name
    }
    assert data == {
        f"input/{key}": key for key in ("data/train/a.csv", "data/train/deep/b.csv", "data/validation/c.csv")
    }
    assert (about["environ"]["TRAINING_JOB_NAME"], about["environ"]["A"]) == ("whole", "1")
    assert about["environ"]["TRAINING_JOB_ARN"] == ended["TrainingJobArn"]
    assert about["network"] == ["lo"]
    assert archive(client, f"s3://{BUCKET}/out/whole/output/output.tar.gz") == {"more.txt": "more"}
    (metric,) = ended["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("loss", 0.25)
    assert [one["Status"] for one in ended["SecondaryStatusTransitions"]] == [
        "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    (stream,) = client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix="whole/"
    )["logStreams"]
    place = {"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamName": stream["logStreamName"]}
    assert [one["message"] for one in client("logs").get_log_events(**place)["events"]] == ["loss: 0.5", "loss: 0.25"]


def test_training_that_takes_too_long_is_told_to_stop_and_what_it_saves_is_kept(client, train):
    ended = train("slow", SAVES_WHEN_TOLD, seconds=3)()
    assert (ended["TrainingJobStatus"], ended["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert archive(client, ended["ModelArtifacts"]["S3ModelArtifacts"]) == {"partial": "half a model"}


def test_a_failure_is_told_in_the_programs_words_as_far_as_sagemaker_takes_them(client, train):
    ended = train("failing", FAILS)()
    assert (ended["TrainingJobStatus"], ended["SecondaryStatus"]) == ("Failed", "Failed")
    assert ended["FailureReason"].startswith("AlgorithmError: The rows have no labels. xxx")
    assert ended["FailureReason"].endswith("x, exit code: 3")
    assert len(ended["FailureReason"]) == len("AlgorithmError: ") + 1024 + len(", exit code: 3")
    with pytest.raises(ClientError):
        archive(client, ended["ModelArtifacts"]["S3ModelArtifacts"])


def test_data_that_is_not_there_fails_the_job_before_anything_runs(train):
    ended = train("empty", FAILS, channels=["nothing"])()
    assert ended["FailureReason"] == (
        f"ClientError: Data download failed: No S3 objects found under S3 URL 's3://{BUCKET}/data/nothing/', "
        "channel nothing."
    )


def test_a_job_can_be_stopped_once(client, train):
    end = train("endless", SAVES_WHEN_TOLD)
    until(lambda: said(client, "endless"), "the container's first word")
    client("sagemaker").stop_training_job(TrainingJobName="endless")
    assert (end()["TrainingJobStatus"], end()["SecondaryStatus"]) == ("Stopped", "Stopped")
    with pytest.raises(ClientError, match="because the training job is in status Stopped"):
        client("sagemaker").stop_training_job(TrainingJobName="endless")
    found = client("sagemaker").list_training_jobs(NameContains="endless", StatusEquals="Stopped")
    assert [one["TrainingJobName"] for one in found["TrainingJobSummaries"]] == ["endless"]


def said(client, name):
    group = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
    for stream in client("logs").describe_log_streams(**group, logStreamNamePrefix=f"{name}/")["logStreams"]:
        return client("logs").get_log_events(**group, logStreamName=stream["logStreamName"])["events"]
    return []


def test_what_sagemaker_would_not_take_is_refused(train, client):
    with pytest.raises(ClientError, match="a training job with this name already exists"):
        train("failing", FAILS)
    for name, more, words in (
        ("with_underscore", {}, "at 'trainingJobName' failed to satisfy constraint: Member must satisfy regular"),
        ("long", {"HyperParameters": {"a": "x" * 2501}}, "Member must have length less than or equal to 2500"),
        ("stranger", {"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume role"),
    ):
        with pytest.raises(ClientError, match=words):
            train(name, FAILS, **more)


def test_processing_runs_a_program_on_its_inputs_and_its_outputs_are_fetched(client, role, smallest_image):
    place = "/opt/ml/processing"
    data = {"S3Uri": f"s3://{BUCKET}/data/train/a.csv", "LocalPath": f"{place}/input/data", "S3DataType": "S3Prefix"}
    code = {"S3Uri": f"s3://{BUCKET}/code/", "LocalPath": f"{place}/input/code", "S3DataType": "S3Prefix"}
    client("s3").put_object(Bucket=BUCKET, Key="code/main.py", Body=PROCESSES.encode())
    output = {"S3Uri": f"s3://{BUCKET}/made", "LocalPath": f"{place}/output/train", "S3UploadMode": "EndOfJob"}
    asked = {
        "ProcessingJobName": "upper",
        "RoleArn": role,
        "AppSpecification": {
            "ImageUri": smallest_image,
            "ContainerEntrypoint": ["python3", f"{place}/input/code/main.py"],
            "ContainerArguments": ["a.csv"],
        },
        "ProcessingInputs": [{"InputName": "data", "S3Input": data}, {"InputName": "code", "S3Input": code}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "train", "S3Output": output}]},
        "ProcessingResources": {"ClusterConfig": MACHINE},
    }
    sagemaker = client("sagemaker")
    sagemaker.create_processing_job(**asked)
    ended = processed(sagemaker, "upper")
    assert (ended["ProcessingJobStatus"], ended["ExitMessage"]) == ("Completed", "a.csv is done")
    keys = [one["Key"] for one in client("s3").list_objects_v2(Bucket=BUCKET, Prefix="made/")["Contents"]]
    assert keys == ["made/deep/a.txt"]  # and no link
    assert client("s3").get_object(Bucket=BUCKET, Key=keys[0])["Body"].read() == b"DATA/TRAIN/A.CSV"

    elsewhere = {"InputName": "data", "S3Input": {**data, "LocalPath": "/data"}}
    sagemaker.create_processing_job(**{**asked, "ProcessingJobName": "astray", "ProcessingInputs": [elsewhere]})
    assert processed(sagemaker, "astray")["FailureReason"] == (
        "ClientError: LocalPath /data must begin with /opt/ml/processing/."
    )


def processed(sagemaker, name):
    def look():
        return sagemaker.describe_processing_job(ProcessingJobName=name)

    until(lambda: look()["ProcessingJobStatus"] != "InProgress", f"the end of {name}")
    return look()
