"""Training jobs: `docker run IMAGE train`, with /opt/ml as SageMaker fills and empties it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from moto.core.utils import utcnow

from aws.stand_in.jobs import files
from aws.stand_in.jobs.records import TrainingRecord
from aws.stand_in.jobs.work import JobFailed, Work, free


class Training(Work):
    """A training job at work."""

    record: TrainingRecord

    def prepare(self) -> None:
        """Lay out /opt/ml."""
        self.record.do("Downloading", "Downloading input data")
        for folder in ("input/config", "input/data", "model", "output/data", "checkpoints"):
            (self.root / folder).mkdir(parents=True)
        for channel in self.asked.get("InputDataConfig", []):
            name, url = channel["ChannelName"], channel["DataSource"]["S3DataSource"]["S3Uri"]
            try:
                files.download(self.s3, url, self.root / "input" / "data" / name)
            except files.NoData as error:
                raise JobFailed(f"ClientError: Data download failed: {error}, channel {name}.") from error
        for name, content in self.configuration().items():
            (self.root / "input" / "config" / f"{name}.json").write_text(json.dumps(content))
        free(self.root)

    def configuration(self) -> dict[str, Any]:
        """Return what is in /opt/ml/input/config."""
        instance = self.asked["ResourceConfig"]["InstanceType"]
        group = {"instance_group_name": "homogeneousCluster", "instance_type": instance, "hosts": ["algo-1"]}
        channels = {one["ChannelName"]: channel(one) for one in self.asked.get("InputDataConfig", [])}
        grouped = {"current_group_name": "homogeneousCluster", "instance_groups": [group]}
        return {
            "hyperparameters": self.asked.get("HyperParameters", {}),
            "inputdataconfig": channels,
            "resourceconfig": {**self.resources(instance), **grouped, "network_interface_name": "eth0"},
        }

    def command(self) -> tuple[str, list[str], list[str]]:
        """Return `IMAGE train`, or what the request has in its place."""
        specification = self.asked["AlgorithmSpecification"]
        entry, *more = specification.get("ContainerEntrypoint") or [None]
        default = [] if entry else ["train"]
        arguments = [*more, *specification.get("ContainerArguments", default)]
        return specification["TrainingImage"], ["--entrypoint", entry] if entry else [], arguments

    def begun(self) -> None:
        """Take note."""
        self.record.do("Training", "Training image download completed. Training in progress.")
        self.record.become(self.record.status, TrainingStartTime=utcnow())

    def finish(self, code: int, *, overdue: bool) -> None:
        """Put the model and the output into S3; say how it ended."""
        stopped = overdue or self.record.status == "Stopping"
        if code and not stopped:
            self.put("output/data", "output.tar.gz")
            reason = self.said(self.root / "output" / "failure")
            raise JobFailed(f"AlgorithmError: {reason}, exit code: {code}")
        self.record.do("Uploading", "Uploading generated training model")
        self.put("model", "model.tar.gz")
        self.put("output/data", "output.tar.gz")
        what = "MaxRuntimeExceeded" if overdue else "Stopped" if stopped else "Completed"
        self.record.do(what, "Training job completed" if what == "Completed" else "Training job stopped")
        self.record.end("Stopped" if stopped else "Completed", FinalMetricDataList=[*self.metrics()], **self.times())

    def fail(self, reason: str) -> None:
        """End the record."""
        self.record.do("Failed", "Training job failed")
        super().fail(reason)

    def put(self, folder: str, name: str) -> None:
        """Put a folder's archive where SageMaker puts it."""
        target = self.asked["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        files.archive(self.s3, self.root / folder, f"{target}/{self.record.name}/output/{name}", self.root)

    def times(self) -> dict[str, int]:
        """Return what is billed."""
        began = self.record.ended["TrainingStartTime"]
        seconds = max(1, round((utcnow() - began).total_seconds()))
        return {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}

    def metrics(self) -> Iterator[dict[str, Any]]:
        """Yield the last value of each metric in the log."""
        for definition in self.asked["AlgorithmSpecification"].get("MetricDefinitions", []):
            found = [match[1] for line in self.log.lines if (match := re.search(definition["Regex"], line))]
            if found:
                yield {"MetricName": definition["Name"], "Value": float(found[-1]), "Timestamp": utcnow()}


def channel(one: dict[str, Any]) -> dict[str, str]:
    """Return what inputdataconfig.json says of a channel."""
    about = {
        "TrainingInputMode": one.get("InputMode", "File"),
        "S3DistributionType": one["DataSource"]["S3DataSource"].get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": one.get("RecordWrapperType", "None"),
    }
    return {**about, **({"ContentType": one["ContentType"]} if "ContentType" in one else {})}
