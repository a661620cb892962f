"""What is known of AWS and of the artifacts by the time a stage's template is written."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Image:
    """
    An image in ECR, as it is there.

    Attributes:
        uri: `REPOSITORY_URI@sha256:…`.
        media_type: of its manifest.
        architecture: `amd64` or `arm64`, as its configuration says.
        size: of its layers, compressed, in bytes.
    """

    uri: str
    media_type: str
    architecture: str
    size: int


@dataclass(frozen=True)
class Archive:
    """A model archive in S3: its address, and its size in bytes (None where it could not be asked)."""

    url: str
    size: int | None


@dataclass(frozen=True)
class Account:
    """Where everything happens: `partition` is `aws`, `aws-cn` or `aws-us-gov`."""

    number: str
    partition: str
    region: str


@dataclass(frozen=True)
class Facts:
    """
    What a template is made of beside the stage.

    Attributes:
        account: where it happens.
        bucket: for archives, and for what a stage reads and writes unless it names another place.
        images: one for each container, in their order.
        archives: the same; None where the model is in the image.
    """

    account: Account
    bucket: str
    images: Sequence[Image]
    archives: Sequence[Archive | None]
