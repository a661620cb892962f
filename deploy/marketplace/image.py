"""What a package's image has to be beside being there: built for every machine that is sold, and scanned."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from deploy.aws_errors import code_of, words_of
from deploy.errors import Refused
from deploy.facts import Account, Image
from deploy.marketplace.request import Request
from deploy.model.images import parse
from deploy.stage.instance_types import architecture

SOLD = ("SupportedTransformInstanceTypes", "SupportedRealtimeInferenceInstanceTypes")
SEVERE = ("CRITICAL", "HIGH")
SCANNED = ("COMPLETE", "ACTIVE")  # the second: ECR goes on looking


def require_runnable(request: Request, image: Image) -> None:
    """Raise `Refused` unless the image runs on every instance type that is sold."""
    sold = sorted({kind for name in SOLD for kind in request["InferenceSpecification"][name]})
    if others := [kind for kind in sold if architecture(kind) != image.architecture]:
        raise Refused(
            f"{image.uri} is for linux/{image.architecture}, and would not start on {', '.join(others)}.",
            "Take those out of seller.toml, or push another image: ./build_and_push.sh NAME --platform linux/…",
        )


def scan_note(ecr: Any, account: Account, image: Image) -> str | None:
    """Return what Marketplace would say of ECR's scan of the image, None if nothing: it looks when it lists."""
    named = parse(image.uri, account)
    place = {"repositoryName": named.repository, "imageId": named.image_id()}
    try:
        answer = ecr.describe_image_scan_findings(registryId=named.account, **place)
    except ClientError as error:
        if code_of(error) == "ScanNotFoundException":
            begin = (
                f"aws ecr start-image-scan --repository-name {named.repository} --image-id imageDigest={named.digest}"
            )
            return f"ECR has not scanned the image, and Marketplace lists none without. Begin it: {begin}"
        return f"What ECR's scan has found cannot be seen: {words_of(error)}"
    counts = answer.get("imageScanFindings", {}).get("findingSeverityCounts", {})
    if severe := [f"{counts[one]} {one}" for one in SEVERE if counts.get(one)]:
        return f"ECR's scan has found {' and '.join(severe)}: Marketplace lists no image with such. Mend them first."
    return _unfinished(answer.get("imageScanStatus", {}))


def _unfinished(scan: Mapping[str, Any]) -> str | None:
    """Return what is to be said of a scan that has no result, None if it has one."""
    status = scan.get("status", "unknown")
    if status in SCANNED:
        return None
    why = f" ({scan['description']})" if scan.get("description") else ""
    return f"ECR's scan of the image is {status}{why}: Marketplace lists none without a finished one."
