"""Look an image up in ECR: its digest, its format and its architecture; refuse what SageMaker would refuse later."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from deploy.aws_errors import code_of, is_denied, words_of
from deploy.errors import Refused
from deploy.facts import Account, Image

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
MEDIA_TYPES = (DOCKER, DOCKER_LIST, OCI, OCI_INDEX)
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
PUSH = "Push it with ./build_and_push.sh NAME, and use what that prints."
DOMAINS = {"aws-cn": "amazonaws.com.cn"}

_HOST = re.compile(r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
_REFERENCE = re.compile(r"(?P<name>[^@]+?)(?::(?P<tag>[^:/@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")

Fetch = Callable[[str], bytes]


@dataclass(frozen=True)
class Reference:
    """What a stage calls its image: a repository of a registry, and either a tag or a digest."""

    host: str
    account: str
    repository: str
    tag: str | None
    digest: str | None

    def __str__(self) -> str:
        """Return it in full."""
        return f"{self.host}/{self.repository}" + (f"@{self.digest}" if self.digest else f":{self.tag}")

    def image_id(self) -> dict[str, str]:
        """Return it in ECR's terms."""
        return {"imageDigest": self.digest} if self.digest else {"imageTag": str(self.tag)}


def fetch(url: str, environ: Mapping[str, str] = os.environ) -> bytes:
    """Return what is at *url*, with the proxies and certificates that boto3 itself would use."""
    plain = url.partition("?")[0]  # what follows it is as good as a password
    session = URLLib3Session(verify=environ.get("AWS_CA_BUNDLE") or True, proxies=get_environ_proxies(url))
    try:
        answer = session.send(AWSRequest("GET", url).prepare())
    except BotoCoreError as error:
        raise Refused(f"The image's configuration cannot be fetched: {str(error).replace(url, plain)}") from None
    finally:
        session.close()
    if answer.status_code != 200:
        raise Refused(f"The image's configuration cannot be fetched: {answer.status_code} from {plain}")
    content: bytes = answer.content
    return content


def resolve(ecr: Any, account: Account, reference: str, fetch: Fetch = fetch) -> Image:
    """
    Return the image that *reference* names: `URI@sha256:…`, `URI:TAG`, or either with a name in the account's ECR.

    Raises:
        Refused: if it is not there, or SageMaker would not take it; says which, and how to make one that it takes.
    """
    named = parse(reference, account)
    found = _image(ecr, account, named)
    media_type = found.get("imageManifestMediaType") or json.loads(found["imageManifest"]).get("mediaType")
    _require_docker_format(named, str(media_type))
    manifest = json.loads(found["imageManifest"])
    _require_gzip(named, manifest["layers"])
    return Image(
        uri=f"{named.host}/{named.repository}@{found['imageId']['imageDigest']}",
        media_type=str(media_type),
        architecture=_architecture(ecr, named, manifest["config"]["digest"], fetch),
        size=sum(layer["size"] for layer in manifest["layers"]),
    )


def parse(reference: str, account: Account) -> Reference:
    """Return what *reference* names; raise `Refused` unless SageMaker can pull it, always the same, in this Region."""
    matched = _REFERENCE.fullmatch(reference)
    if not matched:
        raise Refused(f"{reference!r} names no image: NAME:TAG or NAME@sha256:… was expected.", PUSH)
    tag, digest = matched["tag"], matched["digest"]
    host, registry, region, repository = _place(matched["name"], account)
    if region != account.region:
        raise Refused(
            f"{reference} lies in {region}, the stage in {account.region}: SageMaker pulls from its own Region alone.",
            f"Push it there: AWS_REGION={account.region} ./build_and_push.sh NAME",
        )
    if not (tag or digest):
        raise Refused(f"{reference} is a repository, not an image: add :TAG or @sha256:….", PUSH)
    if tag == "latest" and not digest:
        raise Refused(
            f"{reference} is whatever was pushed last, so the stage would not say what it is.",
            f"Name a digest or another tag. {PUSH}",
        )
    return Reference(host, registry, repository, None if digest else tag, digest)


def _place(name: str, account: Account) -> tuple[str, str, str, str]:
    """Return the host, the account, the Region and the repository of a name, which may begin with the host."""
    first, _, rest = name.partition("/")
    if not rest or not (set(".:") & set(first) or first == "localhost"):
        domain = DOMAINS.get(account.partition, "amazonaws.com")
        host = f"{account.number}.dkr.ecr.{account.region}.{domain}"
        return host, account.number, account.region, name
    if matched := _HOST.fullmatch(first):
        return first, matched["account"], matched["region"], rest
    raise Refused(f"{name} is not in ECR, and SageMaker takes images from there.", PUSH)


def _image(ecr: Any, account: Account, named: Reference) -> Any:
    """Return the image as ECR describes it, its manifest as it was pushed."""
    try:
        answer = ecr.batch_get_image(
            registryId=named.account,
            repositoryName=named.repository,
            imageIds=[named.image_id()],
            acceptedMediaTypes=list(MEDIA_TYPES),
        )
    except ClientError as error:
        raise _no_repository(error, account, named) from error
    if answer["images"]:
        return answer["images"][0]
    failure = answer["failures"][0]
    if failure["failureCode"] == "ImageNotFound":
        what = f"digest {named.digest}" if named.digest else f"tag {named.tag}"
        raise Refused(
            f"{named} is not there: the repository {named.repository} has no {what}.",
            f"Those it has: aws ecr list-images --repository-name {named.repository}. {PUSH}",
        )
    raise Refused(f"{named} cannot be had: {failure['failureCode']}: {failure.get('failureReason', '')}")


def _no_repository(error: ClientError, account: Account, named: Reference) -> Refused:
    if code_of(error) == "RepositoryNotFoundException":
        return Refused(f"{named} is not there: {named.account} has no repository {named.repository}.", PUSH)
    if is_denied(error) and named.account != account.number:
        return Refused(
            f"{named} belongs to the account {named.account}, which does not let {account.number} pull it.",
            "Its repository policy has to allow ecr:BatchGetImage and ecr:GetDownloadUrlForLayer to this account.",
        )
    return Refused(f"{named} cannot be looked at: {words_of(error)}")


def _require_docker_format(named: Reference, media_type: str) -> None:
    if media_type != DOCKER:
        what = "a list of images for several platforms" if media_type in {DOCKER_LIST, OCI_INDEX} else "an image"
        raise Refused(
            f"{named} is {what} in the format {media_type}.",
            f'SageMaker would say "Unsupported manifest media type {media_type}": it takes {DOCKER}.',
            "Build it so: docker buildx build --platform linux/amd64 --provenance=false --sbom=false "
            "--output type=docker,oci-mediatypes=false … ; ./build_and_push.sh does.",
        )


def _require_gzip(named: Reference, layers: list[dict[str, Any]]) -> None:
    if others := sorted({layer["mediaType"] for layer in layers} - {LAYER}):
        raise Refused(
            f"{named} has layers of the type {', '.join(others)}; SageMaker is known to take {LAYER} alone.",
            "Build it so: docker buildx build --output type=…,compression=gzip,force-compression=true …",
        )


def _architecture(ecr: Any, named: Reference, config: str, fetch: Fetch) -> str:
    """Return the architecture that the image's configuration names."""
    place = {"registryId": named.account, "repositoryName": named.repository, "layerDigest": config}
    try:
        url = ecr.get_download_url_for_layer(**place)["downloadUrl"]
    except ClientError as error:
        raise Refused(f"The configuration of {named} cannot be had: {words_of(error)}") from error
    content = fetch(url)
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != config:
        raise Refused(f"The configuration of {named} is not {config}: something on the way changed it.")
    described = json.loads(content)
    if described.get("os") != "linux":
        raise Refused(f"{named} is for {described.get('os')}; SageMaker runs linux.")
    return str(described["architecture"])
