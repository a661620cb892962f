"""ECR's GetDownloadUrlForLayer: a plain URL, like S3's at AWS, behind which the registry is asked with its password."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from moto.core.responses import ActionResult
from moto.ecr.responses import ECRResponse

from aws.stand_in.engine import PASSWORD

PATH = "/stand-in/layers/"


class Registry(ECRResponse):
    """An operation that moto lacks, and the sizes of images, which it has wrong."""

    def __init__(self, url: str):
        super().__init__()
        self.url = url

    def describe_images(self) -> ActionResult:
        """Return what moto knows, with the sizes that the manifests tell."""
        described = super().describe_images()
        for image in described.result["imageDetails"]:
            layers = json.loads(image.image_manifest).get("layers", ())
            if layers:  # moto's own takes the configuration for the image
                image.get_image_size_in_bytes = partial(sum, [layer["size"] for layer in layers])
        return described

    def get_download_url_for_layer(self) -> ActionResult:
        """Return where the blob can be had."""
        repository, digest = self._get_param("repositoryName"), self._get_param("layerDigest")
        self.ecr_backend.describe_repositories(repository_names=[repository], registry_id=None)
        path = f"{self.current_account}.dkr.ecr.{self.region}.amazonaws.com/{repository}@{digest}"
        return ActionResult({"downloadUrl": f"{self.url}{PATH}{path}", "layerDigest": digest})


def blob(environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer with a blob from the registry of the host in the path."""
    host, _, rest = environ["PATH_INFO"].removeprefix(PATH).partition("/")
    repository, _, digest = rest.rpartition("@")
    token = base64.b64encode(f"AWS:{host.partition('.')[0]}{PASSWORD}".encode()).decode()
    request = urllib.request.Request(
        f"https://{host}/v2/{repository}/blobs/{digest}", headers={"Authorization": f"Basic {token}"}
    )
    try:
        # The registry is on this machine, its certificate its own.
        with direct().open(request, timeout=60) as answer:
            start_response("200 OK", [("Content-Type", "application/octet-stream")])
            return [answer.read()]
    except urllib.error.HTTPError as error:
        start_response(f"{error.code} {error.reason}", [])
        return [error.read()]


def direct() -> urllib.request.OpenerDirector:
    """Return what asks without a proxy, and believes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
