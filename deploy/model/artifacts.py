"""Model archives in S3: where they go, whether they are there, and the bucket for them."""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deploy import s3 as objects
from deploy.aws_errors import code_of, is_absent, is_denied, words_of
from deploy.errors import Refused
from deploy.facts import Account, Archive
from deploy.model.archive import pack
from deploy.model.archive_check import examine
from deploy.progress import Say, say

ARCHIVE = "model.tar.gz"
SUFFIX = ".tar.gz"


def upload(s3: Any, account: Account, bucket: str, model: Path, say: Say = say) -> Archive:
    """
    Put a model folder or an archive into the bucket, unless it is there already; return where.

    Its address names what is in it, so that a changed model is another one, and an unchanged one is not replaced.

    Raises:
        Refused: if the folder cannot be packed, the archive is not what SageMaker can extract, or S3 denies it.
    """
    owner = {"ExpectedBucketOwner": account.number}
    with _archived(model, say) as archive:
        url = _address(bucket, model, archive)
        if found := objects.find(s3, url, **owner):
            say(f"- the model is there already: {url}")
            return Archive(url, found.size)
        objects.send(s3, archive, url, say, ContentType="application/gzip", **owner)
        say(f"- uploaded the model: {url}")
        return Archive(url, archive.stat().st_size)


def planned(bucket: str, model: Path, say: Say = say) -> Archive:
    """Return where `upload` would put the model, and ask nobody; raise `Refused` if it could not be uploaded."""
    with _archived(model, say) as archive:
        return Archive(_address(bucket, model, archive), archive.stat().st_size)


@contextmanager
def _archived(model: Path, say: Say) -> Iterator[Path]:
    """Return the archive that *model* is, or one of the folder that it is."""
    if not model.exists():
        raise Refused(f"There is no model {model}: a model folder or an archive was expected.")
    if not model.is_dir():
        yield model
        return
    with tempfile.TemporaryDirectory() as folder:
        yield pack(model, Path(folder, ARCHIVE), say)


def _address(bucket: str, model: Path, archive: Path) -> str:
    """Return where the archive belongs; raise `Refused` if it belongs nowhere."""
    examined = examine(archive)
    if examined.faults:
        raise Refused(f"{archive} cannot be a model's archive:", *examined.faults)
    return f"s3://{bucket}/models/{name_of(model)}/{examined.digest}/{ARCHIVE}"


def name_of(model: Path) -> str:
    """Return what the model is called in S3: like its folder, or like its archive unless that is `model.tar.gz`."""
    model = model.resolve()
    stem = model.name.removesuffix(SUFFIX)
    name = model.parent.name if model.name == ARCHIVE else stem
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", name) or "model"


def archive_of(s3: Any, url: str) -> Archive:
    """Return the archive that a stage names; raise `Refused` unless it is there. It may be another account's."""
    if not url.endswith(SUFFIX):
        raise Refused(f"{url} is not a model archive: SageMaker takes one object whose name ends with {SUFFIX}.")
    if found := objects.find(s3, url):
        return Archive(url, found.size)
    below = next(objects.objects(s3, f"{url}/"), None)
    if below:
        raise Refused(f"{url} is a prefix: {below.url} lies below it. Name the archive itself.")
    raise Refused(f"There is no {url}.", "Put it there: make package MODEL=… TO=s3 prints the address.")


def default_bucket(account: Account) -> str:
    """Return the bucket that SageMaker's own tools use as well."""
    return f"sagemaker-{account.region}-{account.number}"


def ensure_bucket(s3: Any, account: Account, name: str | None, say: Say = say) -> str:
    """
    Return the bucket *name*, or by default SageMaker's, which is made if it is not there.

    Raises:
        Refused: if it is somebody else's or in another Region, or if a bucket that was named is not there.
    """
    bucket = name or default_bucket(account)
    try:
        about = s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account.number)
    except ClientError as error:
        if is_absent(error) and name is None:
            return _create(s3, account, bucket, say)
        raise _no_bucket(error, account, bucket) from error
    region = about.get("BucketRegion", account.region)
    if region != account.region:
        raise Refused(
            f"The bucket {bucket} lies in {region}, the stage in {account.region}: SageMaker reads models from its "
            "own Region alone."
        )
    return bucket


def _no_bucket(error: ClientError, account: Account, bucket: str) -> Refused:
    if is_absent(error):
        return Refused(f"There is no bucket {bucket}.", "Make it, or leave `bucket` out for SageMaker's default one.")
    if is_denied(error):
        return Refused(
            f"The bucket {bucket} belongs to another account than {account.number}, or you may not list it.",
            "Name one of yours, `bucket` in the stage's file, or ask for s3:ListBucket on it.",
        )
    return Refused(f"The bucket {bucket} cannot be looked at: {words_of(error)}")


def _create(s3: Any, account: Account, bucket: str, say: Say) -> str:
    """Make the bucket: for this account alone, encrypted, and over TLS only."""
    owner = {"Bucket": bucket, "ExpectedBucketOwner": account.number}
    # The oldest Region is the one that may not be named.
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
    try:
        s3.create_bucket(Bucket=bucket, **({} if account.region == "us-east-1" else elsewhere))
        s3.get_waiter("bucket_exists").wait(**owner)
        s3.put_public_access_block(**owner, PublicAccessBlockConfiguration=_NOTHING_PUBLIC)
        s3.put_bucket_encryption(**owner, ServerSideEncryptionConfiguration=_ENCRYPTED)
        s3.put_bucket_policy(**owner, Policy=json.dumps(tls_only(account.partition, bucket)))
    except ClientError as error:
        if code_of(error) == "BucketAlreadyOwnedByYou":  # somebody of this account was faster
            return bucket
        if code_of(error) == "BucketAlreadyExists":
            raise _no_bucket_of_ours(account, bucket) from error
        raise Refused(f"The bucket {bucket} cannot be made: {words_of(error)}") from error
    say(f"- made the bucket {bucket}")
    return bucket


def _no_bucket_of_ours(account: Account, bucket: str) -> Refused:
    return Refused(
        f"The bucket {bucket} belongs to another account than {account.number}, though it has this account's name.",
        "Somebody may be waiting for your models there. Name another bucket in the stage's file: bucket = …",
    )


_NOTHING_PUBLIC = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
_ENCRYPTED = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}


def tls_only(partition: str, bucket: str) -> dict[str, Any]:
    """Return the policy that refuses everything sent in the clear."""
    arn = f"arn:{partition}:s3:::{bucket}"
    refused = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [refused]}
