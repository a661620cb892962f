"""Processing jobs: any image, any program; inputs are there before, outputs are fetched after."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from moto.core.utils import utcnow

from aws.stand_in.jobs import files
from aws.stand_in.jobs.work import JobFailed, Work, free


class Processing(Work):
    """A processing job at work."""

    def prepare(self) -> None:
        """Lay out /opt/ml/processing and /opt/ml/config."""
        for one in self.asked.get("ProcessingInputs", []):
            try:
                files.download(self.s3, one["S3Input"]["S3Uri"], self.inside(one["S3Input"]["LocalPath"]))
            except files.NoData as error:
                raise JobFailed(f"ClientError: Data download failed: {error}, input {one['InputName']}.") from error
        for one in self.outputs():
            self.inside(one["LocalPath"]).mkdir(parents=True, exist_ok=True)
        for folder in ("config", "output"):
            (self.root / folder).mkdir()
        machine = self.asked["ProcessingResources"]["ClusterConfig"]["InstanceType"]
        about = {"ProcessingJobArn": self.record.arn, **self.asked}
        (self.root / "config" / "processingjobconfig.json").write_text(json.dumps(about))
        (self.root / "config" / "resourceconfig.json").write_text(json.dumps(self.resources(machine)))
        free(self.root)

    def outputs(self) -> list[dict[str, Any]]:
        """Return what is fetched in the end."""
        return [one["S3Output"] for one in self.asked.get("ProcessingOutputConfig", {}).get("Outputs", [])]

    def inside(self, path: str) -> Path:
        """Return where a folder of the container is here; raise `JobFailed` if SageMaker does not take it."""
        if not path.startswith("/opt/ml/processing/"):
            raise JobFailed(f"ClientError: LocalPath {path} must begin with /opt/ml/processing/.")
        return self.root / PurePosixPath(path).relative_to("/opt/ml")

    def command(self) -> tuple[str, list[str], list[str]]:
        """Return the program: the image's own, or that of the request."""
        specification = self.asked["AppSpecification"]
        entry, *more = specification.get("ContainerEntrypoint") or [None]
        arguments = [*more, *specification.get("ContainerArguments", [])]
        return specification["ImageUri"], ["--entrypoint", entry] if entry else [], arguments

    def is_isolated(self) -> bool:
        """Tell whether the container has no network."""
        return bool(self.asked.get("NetworkConfig", {}).get("EnableNetworkIsolation"))

    def begun(self) -> None:
        """Take note."""
        self.record.become(self.record.status, ProcessingStartTime=utcnow())

    def finish(self, code: int, *, overdue: bool) -> None:
        """Put the outputs into S3; say how it ended, with the program's last word."""
        message = self.said(self.root / "output" / "message") or None
        if overdue or self.record.status == "Stopping":
            self.record.end("Stopped", ExitMessage=message)
            return
        if code:
            self.record.become(self.record.status, ExitMessage=message)
            raise JobFailed(f"AlgorithmError: See job logs for more information, exit code: {code}")
        for one in self.outputs():
            files.upload(self.s3, self.inside(one["LocalPath"]), one["S3Uri"])
        self.record.end("Completed", ExitMessage=message)
