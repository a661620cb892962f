"""Training jobs: a root as SageMaker lays it out, and `train` on it, as a program of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import folder
from server import ROOT

TRAIN = ROOT / "container" / "code" / "train"


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Path]:
    """Write what a training job finds, `input/` with files by their paths inside it, and return the root."""

    def job(files: dict[str, str], **hyperparameters: str) -> Path:
        described = {"config/hyperparameters.json": json.dumps(hyperparameters)} if hyperparameters else {}
        folder(tmp_path / "input", {**described, **files})
        return tmp_path

    return job


@pytest.fixture
def train() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `train` on a root, to its end, in an environment as bare as SageMaker's."""

    def train(root: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(TRAIN), "--root", str(root), *arguments]
        environ = {"PATH": os.environ["PATH"], **environ}
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)

    return train
