"""Objects in S3: list, send and fetch them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from deploy.aws_errors import is_absent, is_denied, words_of
from deploy.errors import Refused
from deploy.progress import Progress, Say

FAILURES = (Boto3Error, BotoCoreError, ClientError, OSError)


@dataclass(frozen=True)
class S3Object:
    """An object: `size` in bytes, `modified` when it was written."""

    bucket: str
    key: str
    size: int
    modified: datetime | None = None

    @property
    def url(self) -> str:
        """Return its address."""
        return f"s3://{self.bucket}/{self.key}"


def split(url: str) -> tuple[str, str]:
    """Return the bucket and the key that `s3://BUCKET/KEY` names, the key as it stands."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def find(s3: Any, url: str, **owner: str) -> S3Object | None:
    """Return the object at *url*, None if there is none; raise `Refused` if one may not know."""
    bucket, key = split(url)
    try:
        about = s3.head_object(Bucket=bucket, Key=key, **owner)
    except ClientError as error:
        if is_absent(error):
            return None
        if is_denied(error):
            raise Refused(
                f"{url} may not be looked at: AWS denies it.",
                "Your credentials need s3:GetObject on it and s3:ListBucket on its bucket; "
                "without the latter, an object that is missing looks the same.",
            ) from error
        raise
    return S3Object(bucket, key, about["ContentLength"], about["LastModified"])


def objects(s3: Any, url: str) -> Iterator[S3Object]:
    """Yield the objects whose address begins with *url*; raise `Refused` if one may not know."""
    bucket, prefix = split(url)
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for one in page.get("Contents", ()):
                # The console's "folders" are empty objects.
                if not one["Key"].endswith("/"):
                    yield S3Object(bucket, one["Key"], one["Size"], one["LastModified"])
    except ClientError as error:
        raise Refused(f"{url} cannot be listed: {words_of(error)}") from error


def send(s3: Any, file: Path, url: str, say: Say, **extra: str) -> None:
    """Upload a file, in parts if it is large; raise `Refused` if it may not be put there."""
    bucket, key = split(url)
    progress = Progress(f"uploading {file.name}", file.stat().st_size, say)
    try:
        s3.upload_file(str(file), bucket, key, ExtraArgs=extra, Callback=progress)
    except FAILURES as error:
        raise Refused(f"{file} cannot be uploaded to {url}: {_cause(error)}") from error


def fetch(s3: Any, found: S3Object, into: Path, say: Say) -> None:
    """Download an object; raise `Refused` if it may not be had."""
    into.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress(f"downloading {into.name}", found.size, say)
    try:
        s3.download_file(found.bucket, found.key, str(into), Callback=progress)
    except FAILURES as error:
        raise Refused(f"{found.url} cannot be downloaded to {into}: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    return words_of(error) if isinstance(error, ClientError) else str(error)
