"""Between S3 and a job's folders."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from aws.stand_in.payloads import objects_below, split


class NoData(Exception):
    """There is nothing to be had at an address."""


def download(s3: Any, url: str, folder: Path) -> None:
    """Fetch every object whose address begins with *url*; raise `NoData` if there is none."""
    bucket, prefix = split(url)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        keys = objects_below(s3, bucket, prefix)
    except ClientError as error:
        raise NoData(str(error)) from error
    if not keys:
        raise NoData(f"No S3 objects found under S3 URL {url!r}")
    beginning = prefix if prefix.endswith("/") else prefix.rpartition("/")[0]
    for key in keys:
        # A prefix may be a folder's name without its slash, or one object.
        name = key.removeprefix(f"{prefix}/") if key.startswith(f"{prefix}/") else key.removeprefix(beginning)
        into = folder / name.lstrip("/")
        into.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(into))


def upload(s3: Any, folder: Path, url: str) -> None:
    """Put every file of a folder below *url*; links are left out, as SageMaker leaves them."""
    bucket, prefix = split(url)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            key = f"{prefix.rstrip('/')}/{path.relative_to(folder).as_posix()}"
            s3.upload_file(str(path), bucket, key)


def archive(s3: Any, folder: Path, url: str, below: Path, left_out: Callable[[str], bool] = lambda _: False) -> bool:
    """Put what is in a folder, as one archive, to *url*, and tell whether anything was there."""
    members = [path for path in sorted(folder.iterdir()) if not left_out(path.name)]
    if not members:
        return False
    packed = below / url.rpartition("/")[2]
    with tarfile.open(packed, "w:gz") as tar:
        for path in members:
            tar.add(path, path.name)
    s3.upload_file(str(packed), *split(url))
    return True
