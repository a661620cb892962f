"""Image names: what ECR knows of them, and what SageMaker would refuse."""

import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


class ImageRefused(Exception):
    """SageMaker would not take the image; the message is its own."""


def found(image: str, clients: Callable[[str], Any]) -> dict[str, Any] | None:
    """Return what ECR says of an image; None if it is not named as one of ECR's, and so of this machine alone."""
    name = ECR.fullmatch(image)
    if name is None:
        return None
    identity = {"imageDigest": name["digest"]} if name["digest"] else {"imageTag": name["tag"] or "latest"}
    try:
        answer = clients("ecr").batch_get_image(repositoryName=name["repository"], imageIds=[identity])
    except ClientError as error:
        raise ImageRefused(f"Requested image {image} not found.") from error
    if not answer["images"]:
        raise ImageRefused(f"Requested image {image} not found.")
    return answer["images"][0]


def check(image: str, clients: Callable[[str], Any]) -> None:
    """Raise `ImageRefused` for an image that ECR lacks, or that is not in Docker's format."""
    about = found(image, clients)
    kind = about and about.get("imageManifestMediaType")
    if kind and kind != DOCKER:
        raise ImageRefused(
            f"Unsupported manifest media type {kind} for image {image}. Ensure that valid manifest media type is used "
            "for specified image."
        )


def resolved(image: str, clients: Callable[[str], Any]) -> str:
    """Return the name with the digest that the tag has now."""
    about = found(image, clients)
    if about is None:
        return image
    host, _, rest = image.partition("/")
    repository = re.split("[:@]", rest)[0]
    return f"{host}/{repository}@{about['imageId']['imageDigest']}"
