"""The objects of asynchronous invocations: their places, and S3 itself through boto3, which nothing else needs."""

from argparse import ArgumentTypeError
from dataclasses import dataclass
from typing import IO, Any, Protocol

MISSING = (
    "boto3 is not installed, and asynchronous invocations need it for S3; "
    "start this program with `make endpoint`, which brings it, or install boto3 into its Python"
)


@dataclass(frozen=True)
class Location:
    """An object, or a prefix of objects."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> "Location":
        """Read `s3://bucket/key`."""
        scheme, _, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not bucket:
            raise ValueError(f"{uri!r} is no S3 location: s3://bucket/key was expected")
        return cls(bucket, key.rstrip("/"))

    def child(self, *names: str) -> "Location":
        """Return the object of this name below the prefix."""
        return Location(
            self.bucket, "/".join(part for part in (self.key, *(name.strip("/") for name in names)) if part)
        )

    def __str__(self) -> str:
        """Return the URI."""
        return f"s3://{self.bucket}/{self.key}"


def parse_location(text: str) -> Location:
    """Read an argument of the command line."""
    try:
        return Location.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


class StoreError(Exception):
    """S3 could not do as it was asked; the message says what, and what S3 answered."""


class Store(Protocol):
    """Where bodies come from and where answers go."""

    def size(self, location: Location) -> int:
        """Return the bytes of an object."""

    def fetch(self, location: Location, into: IO[bytes]) -> None:
        """Write an object's bytes into a file."""

    def put(self, location: Location, body: IO[bytes], content_type: str) -> None:
        """Make an object of a file's bytes."""

    def require_bucket(self, location: Location) -> None:
        """Raise `StoreError` if there is no such bucket, or no right to it."""


class S3Store:
    """S3, or what AWS_ENDPOINT_URL_S3 says stands in for it."""

    def __init__(self, client: Any, failures: tuple[type[Exception], ...]):
        self.client = client
        self.failures = failures

    def size(self, location: Location) -> int:
        """Return the bytes of an object."""
        head = self.attempt(f"read {location}", "head_object", Bucket=location.bucket, Key=location.key)
        return int(head["ContentLength"])

    def fetch(self, location: Location, into: IO[bytes]) -> None:
        """Download."""
        self.attempt(f"read {location}", "download_fileobj", location.bucket, location.key, into)

    def put(self, location: Location, body: IO[bytes], content_type: str) -> None:
        """Upload, in several parts if it is large."""
        extra = {"ContentType": content_type}
        self.attempt(f"write {location}", "upload_fileobj", body, location.bucket, location.key, ExtraArgs=extra)

    def require_bucket(self, location: Location) -> None:
        """Ask for the bucket itself."""
        self.attempt(f"find the bucket {location.bucket}", "head_bucket", Bucket=location.bucket)

    def attempt(self, what: str, method: str, *positional: Any, **named: Any) -> Any:
        """Call the client; say what could not be done if it fails."""
        try:
            return getattr(self.client, method)(*positional, **named)
        except self.failures as error:
            raise StoreError(f"could not {what}: {error}") from error


def connect() -> S3Store:
    """Return the store behind boto3's usual configuration: region, credentials and endpoint of the environment."""
    try:
        import boto3
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise StoreError(MISSING) from error
    return S3Store(boto3.client("s3"), (Boto3Error, BotoCoreError, ClientError))
