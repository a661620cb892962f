"""Jobs: what was asked for, and how it goes, as describing them answers it."""

from datetime import datetime
from typing import Any

from moto.core.utils import utcnow

UNDERWAY = ("InProgress", "Stopping")


class JobRecord:
    """A job; it lies where moto keeps its own, so that its tags can be listed."""

    word = ""

    def __init__(self, asked: dict[str, Any], account: str, region: str):
        self.asked = {name: value for name, value in asked.items() if name != "Tags"}
        self.tags: list[dict[str, str]] = asked.get("Tags") or []
        self.name: str = asked[f"{self.word}JobName"]
        self.arn = f"arn:aws:sagemaker:{region}:{account}:{self.word.lower()}-job/{self.name}"
        self.region = region
        self.status = "InProgress"
        self.creation_time: datetime = utcnow()
        self.last_modified_time = self.creation_time
        self.ended: dict[str, Any] = {}

    def become(self, status: str, **about: Any) -> None:
        """Change the status; tell what else is known now."""
        self.ended.update(about)
        self.status, self.last_modified_time = status, utcnow()

    def end(self, status: str, **about: Any) -> None:
        """Have ended."""
        self.become(status, **{f"{self.word}EndTime": utcnow()}, **about)

    def summary(self) -> dict[str, Any]:
        """Return the entry in a list."""
        about = {
            f"{self.word}JobName": self.name,
            f"{self.word}JobArn": self.arn,
            f"{self.word}JobStatus": self.status,
            "CreationTime": self.creation_time,
            "LastModifiedTime": self.last_modified_time,
            f"{self.word}EndTime": self.ended.get(f"{self.word}EndTime"),
        }
        return {name: value for name, value in about.items() if value is not None}

    @property
    def response_object(self) -> dict[str, Any]:
        """Return the answer to Describe."""
        known = {name: value for name, value in self.ended.items() if value is not None}
        return {**self.asked, **self.summary(), **known}


class ProcessingRecord(JobRecord):
    """A processing job."""

    word = "Processing"


class TrainingRecord(JobRecord):
    """A training job, which also tells what it does."""

    word = "Training"

    def __init__(self, asked: dict[str, Any], account: str, region: str):
        super().__init__(asked, account, region)
        self.transitions: list[dict[str, Any]] = []
        self.do("Starting", "Launching requested ML instances")

    def do(self, what: str, message: str) -> None:
        """Begin with something else."""
        now = utcnow()
        if self.transitions:
            self.transitions[-1]["EndTime"] = now
        self.transitions.append({"Status": what, "StartTime": now, "StatusMessage": message})

    @property
    def response_object(self) -> dict[str, Any]:
        """Return the answer to Describe."""
        target = f"{self.asked['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.name}/output/model.tar.gz"
        return {
            **super().response_object,
            "ModelArtifacts": {"S3ModelArtifacts": target},
            "SecondaryStatus": self.transitions[-1]["Status"],
            "SecondaryStatusTransitions": self.transitions,
        }
