"""The file is not in the folder."""

from pathlib import Path


def model_fn(model_dir):
    """Return the model."""
    return Path(model_dir, "weights.bin").read_bytes()
