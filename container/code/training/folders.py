"""Where SageMaker puts what a training job reads, and takes what it writes: under one root, /opt/ml."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from training.errors import TrainingError

ROOT = Path("/opt/ml")


@dataclass(frozen=True)
class Folders:
    """The folders of SageMaker's training contract."""

    root: Path = ROOT

    @property
    def input(self) -> Path:
        """Return where everything lies that comes in."""
        return self.root / "input"

    @property
    def config(self) -> Path:
        """Return where the platform describes the job."""
        return self.input / "config"

    @property
    def data(self) -> Path:
        """Return where the channels are, a folder each."""
        return self.input / "data"

    @property
    def model(self) -> Path:
        """Return what becomes `model.tar.gz`."""
        return self.root / "model"

    @property
    def output(self) -> Path:
        """Return where `failure` is written."""
        return self.root / "output"

    @property
    def output_data(self) -> Path:
        """Return what becomes `output.tar.gz`."""
        return self.output / "data"

    @property
    def checkpoints(self) -> Path:
        """Return what is kept in step with S3 while the job runs, if the job asks for that."""
        return self.root / "checkpoints"

    @property
    def failure(self) -> Path:
        """Return the file whose first 1024 characters SageMaker shows as the job's failure reason."""
        return self.output / "failure"


def make_writable(folders: Folders) -> None:
    """Make the folders that are written to; raise `TrainingError` for one that cannot be."""
    for folder in (folders.output, folders.output_data, folders.model):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise TrainingError(
                f"Cannot write to {folder} as user {os.geteuid()}: {error.strerror}. SageMaker runs training as root, "
                "with folders that can be written; in Docker mount them without :ro, and with a user who may write."
            ) from None


def require_empty_model(model: Path) -> None:
    """Raise `TrainingError` for a model folder with files in it, which would be taken for the new model's."""
    found = sorted(path.name for path in model.iterdir() if not path.name.startswith(".") and path.name != "lost+found")
    if found:
        raise TrainingError(
            f"{model} is not empty: found {', '.join(found[:6])}. SageMaker begins with an empty folder; mount "
            "another, or empty it, so that nothing of an earlier training is taken for the new model."
        )
