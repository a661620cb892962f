"""A job's file: what it says, typed."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from deploy.stage import patterns
from deploy.stage.kinds import S3, Common, Table

ROOT = Path(__file__).parents[2]
CHANNELS = ["train", "validation"]

# SageMaker's variables of a job are shorter than those of a model.
Environment = dict[Annotated[str, Field(pattern=patterns.VARIABLE)], Annotated[str, Field(max_length=256)]]
Folder = Annotated[str, Field(pattern=patterns.FOLDER)]


class Work(Table):
    """
    What a processing and a training job have in common: one machine, for a time.

    Attributes:
        data: a path on this machine or an address in S3; `DATA=…` wins.
        volume_gb: of the machine's disk.
        max_seconds: after which SageMaker stops the job.
    """

    data: str | None = Field(default=None, min_length=1)
    instance_type: str = Field(default="ml.m5.large", pattern=patterns.TYPE)
    volume_gb: int = Field(default=5, ge=1, le=16384)
    max_seconds: int = Field(default=600, ge=1, le=432_000)
    network_isolation: bool = True
    environment: Environment = Field(default={}, max_length=100)


class Process(Work):
    """
    A script that makes training data of a data set.

    Attributes:
        script: a file; by default the model folder's preprocess.py.
        outputs: the folders below /opt/ml/processing/output that it fills.
    """

    script: str | None = Field(default=None, min_length=1)
    outputs: list[Folder] = Field(default=CHANNELS, min_length=1, max_length=10)


class Train(Work):
    """
    The image's `train`.

    Attributes:
        code: a folder that is sent as the channel `code`; by default the model folder's code, if it has a train.py.
        channels: the folders of the data, each a channel of its name.
        hyperparameters: texts, numbers, true or false; handed on as texts, which is all that SageMaker knows.
        metrics: a name and the regular expression that finds its value in the log.
    """

    code: str | None = Field(default=None, min_length=1)
    channels: list[Folder] = Field(default=CHANNELS, min_length=1, max_length=19)
    hyperparameters: dict[str, Any] = Field(default={}, max_length=100)
    metrics: dict[str, str] = Field(default={}, max_length=40)


class JobFile(Common):
    """
    Processing and training for one model.

    Attributes:
        image: as in a stage: what `build_and_push.sh` prints.
        model: the model folder that has the programs.
        role: that the jobs run with; None for one of their own, which may do nothing else.
        reads: further places in S3 that a role of their own may read.
    """

    image: str = Field(min_length=1)
    model: str = Field(min_length=1)
    role: str | None = Field(default=None, pattern=patterns.ROLE)
    reads: list[S3] = Field(default=[], max_length=20)
    process: Process = Process()
    train: Train = Train()

    @property
    def folder(self) -> Path:
        """Return the model folder."""
        return ROOT / self.model

    @property
    def script(self) -> Path:
        """Return the program that processes."""
        return ROOT / self.process.script if self.process.script else self.folder / "preprocess.py"

    @property
    def code(self) -> Path | None:
        """Return the folder with the program that trains; None if the image has it."""
        if self.train.code:
            return ROOT / self.train.code
        folder = self.folder / "code"
        return folder if (folder / "train.py").is_file() else None
