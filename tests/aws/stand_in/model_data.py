"""ModelDataUrl: an archive in S3, extracted as SageMaker does it."""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError


class ModelDataError(Exception):
    """The archive cannot be had, or not be extracted."""


def extract(s3: Any, url: str, below: Path) -> Path:
    """Return a new folder with what the archive holds."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    folder = Path(tempfile.mkdtemp(prefix="model-", dir=below))
    archive = folder.with_suffix(".tar.gz")
    try:
        s3.download_file(bucket, key, str(archive))
    except ClientError as error:
        raise ModelDataError(f"Could not find model data at {url}.") from error
    command = ["tar", "--extract", "--gzip", "--file", str(archive), "--directory", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archive.unlink()
    if done.returncode:
        raise ModelDataError(f"Failed to extract model data archive from URL {url!r}: {done.stderr.strip()}")
    subprocess.run(["chmod", "--recursive", "a+rX", str(folder)], check=True)  # containers may run as anybody
    return folder
