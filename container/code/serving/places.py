"""Where the model is: in the folder that SageMaker mounts, or in the image."""

from pathlib import Path

MOUNTED_MODEL = Path("/opt/ml/model")  # where SageMaker puts the artifact
BAKED_MODEL = Path("/opt/program/model")  # where the image keeps one of its own; /opt/ml is the platform's


def default_model_dir() -> Path:
    """Return SageMaker's folder, or the image's own where the platform mounted nothing."""
    return BAKED_MODEL if BAKED_MODEL.is_dir() and is_empty(MOUNTED_MODEL) else MOUNTED_MODEL


def is_empty(folder: Path) -> bool:
    """Tell whether there is nothing in *folder*, or no such folder; one that cannot be read holds something."""
    try:
        return not folder.is_dir() or not any(folder.iterdir())
    except PermissionError:
        return False


def existing_folder(path: Path | None) -> Path | None:
    """Return *path* if it is a folder on this machine."""
    return path if path is not None and path.is_dir() else None
