"""An image runs on every instance type that is sold, and what ECR's scan says of it is told before it is listed."""

import boto3
import pytest
from botocore.stub import Stubber

from deploy.errors import Refused
from deploy.facts import Account, Image
from deploy.marketplace.image import require_runnable, scan_note
from deploy.marketplace.request import build
from deploy.marketplace.seller import read_seller
from server import MODELS

ACCOUNT = Account("123456789012", "aws", "us-east-1")
DIGEST = "sha256:" + "1" * 64
URI = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/turkish-sentiment@{DIGEST}"
ASKED = {
    "registryId": "123456789012",
    "repositoryName": "turkish-sentiment",
    "imageId": {"imageDigest": DIGEST},
}


def image(architecture: str = "amd64") -> Image:
    return Image(URI, "", architecture, 0)


def test_an_image_for_another_processor_than_is_sold_is_refused_with_the_types():
    request = build(read_seller(MODELS / "turkish_sentiment"), URI)
    require_runnable(request, image())
    request["InferenceSpecification"]["SupportedRealtimeInferenceInstanceTypes"] = ["ml.m6g.large", "ml.m5.large"]
    with pytest.raises(Refused) as caught:
        require_runnable(request, image())
    assert caught.value.lines == (
        f"{URI} is for linux/amd64, and would not start on ml.m6g.large.",
        "Take those out of seller.toml, or push another image: ./build_and_push.sh NAME --platform linux/…",
    )
    with pytest.raises(Refused, match=r"is for linux/arm64, and would not start on ml\.c5\.2xlarge, ml\.c5\.xlarge"):
        require_runnable(request, image("arm64"))


@pytest.fixture
def ecr():
    client = boto3.client("ecr", aws_access_key_id="nobody", aws_secret_access_key="nothing", region_name="us-east-1")
    with Stubber(client) as stubber:
        client.stubber = stubber
        yield client
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("counts", "note"),
    [
        ({"MEDIUM": 3}, None),
        ({}, None),
        (
            {"HIGH": 2, "CRITICAL": 1},
            "ECR's scan has found 1 CRITICAL and 2 HIGH: Marketplace lists no image with such. Mend them first.",
        ),
    ],
)
def test_severe_findings_are_told(ecr, counts, note):
    found = {"imageScanFindings": {"findingSeverityCounts": counts}, "imageScanStatus": {"status": "COMPLETE"}}
    ecr.stubber.add_response("describe_image_scan_findings", found, ASKED)
    assert scan_note(ecr, ACCOUNT, image()) == note


@pytest.mark.parametrize(
    ("scan", "note"),
    [
        ({"status": "ACTIVE", "description": "Continuous scan is selected."}, None),
        ({"status": "IN_PROGRESS"}, "IN_PROGRESS"),
        ({"status": "PENDING"}, "PENDING"),
        ({"status": "SCAN_ELIGIBILITY_EXPIRED"}, "SCAN_ELIGIBILITY_EXPIRED"),
        (
            {"status": "FAILED", "description": "UnsupportedImageError: no such system"},
            "FAILED (UnsupportedImageError: no such system)",
        ),
        ({}, "unknown"),
    ],
)
def test_a_scan_that_has_no_result_is_told(ecr, scan, note):
    ecr.stubber.add_response("describe_image_scan_findings", {"imageScanStatus": scan}, ASKED)
    sentence = f"ECR's scan of the image is {note}: Marketplace lists none without a finished one."
    assert scan_note(ecr, ACCOUNT, image()) == (sentence if note else None)


def test_an_image_that_was_not_scanned_is_told_with_the_command(ecr):
    ecr.stubber.add_client_error("describe_image_scan_findings", "ScanNotFoundException", "none")
    assert scan_note(ecr, ACCOUNT, image()) == (
        "ECR has not scanned the image, and Marketplace lists none without. Begin it: "
        f"aws ecr start-image-scan --repository-name turkish-sentiment --image-id imageDigest={DIGEST}"
    )


def test_a_scan_that_may_not_be_seen_is_told(ecr):
    ecr.stubber.add_client_error("describe_image_scan_findings", "AccessDeniedException", "You may not.")
    assert scan_note(ecr, ACCOUNT, image()) == "What ECR's scan has found cannot be seen: You may not."
