"""What the program is told: the `SM_*` variables of SageMaker's training toolkit, and arguments."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serving.cgroups import available_cpus
from serving.processes import PROGRAM_DIR
from training.folders import Folders
from training.job import Job
from training.script import Script


def arguments_of(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Return `--name value` for each hyperparameter, `-n value` for names of one letter, in the order of names."""
    words = []
    for name, value in sorted(hyperparameters.items()):
        words += [f"--{name}" if len(name) > 1 else f"-{name}", argument(value)]
    return words


def argument(value: Any) -> str:
    """Return a value as one word: text as it is, `True` as Python has it, lists and objects as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else compact(value) if isinstance(value, list | dict) else str(value)


def compact(value: Any) -> str:
    """Return JSON without spaces, its keys in order."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def environment_of(job: Job, folders: Folders, script: Script, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the program's environment: ours, the `SM_*` variables, and this image's modules to import."""
    described = {**about_the_job(job), **about_the_place(job, folders, script)}
    named = {**described, "training_env": described, **channels_and_parameters(job)}
    texts = {f"SM_{name.upper()}": value if isinstance(value, str) else compact(value) for name, value in named.items()}
    path = os.pathsep.join(filter(None, (str(PROGRAM_DIR), environ.get("PYTHONPATH", ""))))
    return {**environ, **texts, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def about_the_job(job: Job) -> dict[str, Any]:
    """Return what the platform says."""
    return {
        "hps": dict(job.hyperparameters),
        "user_args": arguments_of(job.hyperparameters),
        "channels": sorted(job.channels),
        "hosts": job.resources["hosts"],
        "current_host": job.resources["current_host"],
        "current_instance_type": job.resources.get("current_instance_type", "local"),
        "network_interface_name": job.resources["network_interface_name"],
        "resource_config": dict(job.resources),
        "input_data_config": dict(job.inputs),
    }


def about_the_place(job: Job, folders: Folders, script: Script) -> dict[str, Any]:
    """Return the folders, the program and the machine."""
    return {
        "model_dir": str(folders.model),
        "input_dir": str(folders.input),
        "input_config_dir": str(folders.config),
        "output_dir": str(folders.output),
        "output_data_dir": str(folders.output_data),
        "checkpoint_dir": str(folders.checkpoints),
        "module_dir": str(script.code),
        "module_name": Path(script.name).stem,
        "user_entry_point": script.name,
        "log_level": job.platform.get("sagemaker_container_log_level", 20),
        "num_cpus": max(1, int(available_cpus())),
        "num_gpus": len(list(Path("/dev").glob("nvidia[0-9]*"))),
    }


def channels_and_parameters(job: Job) -> dict[str, Any]:
    """Return a variable for each channel and each hyperparameter."""
    channels = {f"channel_{name}": str(path) for name, path in job.channels.items()}
    return {**channels, **{f"hp_{name}": "" if value is None else value for name, value in job.hyperparameters.items()}}
