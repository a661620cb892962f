"""What SageMaker says of the job in its three files; each may be missing where somebody trains by hand."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import TrainingError
from training.folders import Folders

PIPE = "Pipe"  # the one mode in which a channel is no folder
PLATFORMS = "sagemaker_"  # hyperparameters of this prefix are the SDK's own, and no script expects them
ALONE = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}


@dataclass(frozen=True)
class Job:
    """
    A training job.

    Attributes:
        hyperparameters: what the user set, decoded from JSON where it is JSON.
        platform: what the SDK added to them: `sagemaker_program`, `sagemaker_submit_directory` and others.
        channels: the folder of each channel, by its name.
        inputs: inputdataconfig.json.
        resources: resourceconfig.json.
    """

    hyperparameters: Mapping[str, Any]
    platform: Mapping[str, Any]
    channels: Mapping[str, Path]
    inputs: Mapping[str, Any]
    resources: Mapping[str, Any]


def read_job(folders: Folders) -> Job:
    """Read the job's description, and see that its data are there; raise `TrainingError` naming what is not."""
    values = {name: decoded(text) for name, text in read_object(folders.config, "hyperparameters.json").items()}
    for name in values:
        if "=" in name:
            raise TrainingError(f"The hyperparameter {name!r} cannot be the name of a variable: it has an equals sign.")
    inputs = read_object(folders.config, "inputdataconfig.json")
    channels = channels_in(folders.data, inputs)
    for name, folder in channels.items():
        if mode_of(inputs, name) != PIPE:
            require_data(name, folder, declared=name in inputs)
    resources = read_object(folders.config, "resourceconfig.json", "resourceConfig.json")
    own = {name: value for name, value in values.items() if not name.startswith(PLATFORMS)}
    platform = {name: value for name, value in values.items() if name.startswith(PLATFORMS)}
    return Job(own, platform, channels, inputs, {**ALONE, **resources})


def read_object(config: Path, *names: str) -> dict[str, Any]:
    """Return what the first file of *names* that exists holds, nothing if there is none."""
    path = next((config / name for name in names if (config / name).is_file()), None)
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise TrainingError(f"{path} cannot be read: {error}. SageMaker writes a JSON object there.") from None
    if not isinstance(content, dict):
        raise TrainingError(f"{path} holds a JSON {type(content).__name__}; SageMaker writes a JSON object there.")
    return content


def decoded(text: Any) -> Any:
    """Return the value: SageMaker passes text alone, in which the SDK writes numbers and strings as JSON."""
    try:
        return json.loads(text)
    except (ValueError, TypeError):
        return text


def channels_in(data: Path, inputs: Mapping[str, Any]) -> dict[str, Path]:
    """Return the channels that the job declares; without a declaration, the folders that are there."""
    if inputs:
        return {name: data / name for name in sorted(inputs)}
    return {path.name: path for path in sorted(data.glob("*")) if path.is_dir()}


def mode_of(inputs: Mapping[str, Any], name: str) -> Any:
    """Return how the channel's data arrive: File, FastFile or Pipe."""
    about = inputs.get(name)
    return about.get("TrainingInputMode") if isinstance(about, dict) else None


def require_data(name: str, folder: Path, *, declared: bool) -> None:
    """Raise `TrainingError` unless there is a file in the channel's folder."""
    if not folder.is_dir():
        by = " is declared in inputdataconfig.json, but" if declared else ""
        raise TrainingError(f"The channel {name!r}{by} has no folder: looked for {folder}. Mount its data there.")
    if not any(path.is_file() for path in folder.rglob("*")):
        raise TrainingError(
            f"The channel {name!r} is empty: there is no file in {folder}. Look whether the S3 prefix of its "
            "DataSource, or the folder that you mounted, is the one with the data."
        )
