"""An image is looked up before anything is created, and what SageMaker would refuse later is refused now."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from deploy.errors import Refused
from deploy.facts import Account, Image
from deploy.model import images
from deploy.model.images import DOCKER, DOCKER_LIST, LAYER, OCI, OCI_INDEX, PUSH, parse, resolve
from ports import free_port

ACCOUNT = Account("123456789012", "aws", "us-east-1")
HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
DIGEST = "sha256:" + "a1" * 32
KEYS = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": "us-east-1"}
URL = "https://bucket.example/layer?signature=secret"


def configuration(**about):
    return json.dumps({"os": "linux", "architecture": "amd64", **about}).encode()


def digest_of(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifest(content, layer=LAYER, media_type=DOCKER):
    return {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": digest_of(content)},
        "layers": [{"mediaType": LAYER, "size": 1000, "digest": DIGEST}, {"mediaType": layer, "size": 234}],
    }


@pytest.fixture
def ecr():
    """A client whose answers a test lays down, in order."""
    client = boto3.client("ecr", **KEYS)
    with Stubber(client) as stubber:
        client.stubber = stubber
        yield client
        stubber.assert_no_pending_responses()


@pytest.fixture
def empty_ecr():
    with mock_aws():
        yield boto3.client("ecr", **KEYS)


def holds(ecr, content, asked=None, told=DOCKER, **about):
    """Let ECR have an image with this configuration."""
    image = {
        "imageId": {"imageDigest": DIGEST},
        "imageManifest": json.dumps(manifest(content, **about)),
        "imageManifestMediaType": told,
    }
    expected = asked and {
        "registryId": "123456789012",
        "repositoryName": "mine",
        "imageIds": [asked],
        "acceptedMediaTypes": [DOCKER, DOCKER_LIST, OCI, OCI_INDEX],
    }
    ecr.stubber.add_response("batch_get_image", {"images": [image], "failures": []}, expected)


def serves(ecr, content):
    """Let ECR say where the configuration is, and return what fetches it."""
    asked = {"registryId": "123456789012", "repositoryName": "mine", "layerDigest": digest_of(content)}
    ecr.stubber.add_response("get_download_url_for_layer", {"downloadUrl": URL}, asked)
    return {URL: content}.__getitem__


def refusal(ecr, reference, **more):
    with pytest.raises(Refused) as caught:
        resolve(ecr, ACCOUNT, reference, **more)
    return caught.value.lines


@pytest.mark.parametrize(
    ("reference", "asked"),
    [
        ("mine:v1", {"imageTag": "v1"}),
        (f"mine@{DIGEST}", {"imageDigest": DIGEST}),
        (f"{HOST}/mine:v1", {"imageTag": "v1"}),
        (f"{HOST}/mine@{DIGEST}", {"imageDigest": DIGEST}),
        (f"{HOST}/mine:latest@{DIGEST}", {"imageDigest": DIGEST}),
    ],
)
def test_every_way_to_name_an_image_ends_in_its_digest(ecr, reference, asked):
    content = configuration()
    holds(ecr, content, asked)
    found = resolve(ecr, ACCOUNT, reference, serves(ecr, content))
    assert found == Image(f"{HOST}/mine@{DIGEST}", DOCKER, "amd64", 1234)


def test_the_architecture_is_the_configurations(ecr):
    content = configuration(architecture="arm64")
    holds(ecr, content)
    assert resolve(ecr, ACCOUNT, "mine:v1", serves(ecr, content)).architecture == "arm64"


def test_a_repository_may_lie_in_a_namespace():
    assert str(parse("team/mine:v1", ACCOUNT)) == f"{HOST}/team/mine:v1"


def test_in_china_the_registry_has_another_domain():
    china = Account("123456789012", "aws-cn", "cn-north-1")
    assert parse("mine:v1", china).host == "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"


def test_another_accounts_image_is_looked_up_there():
    assert parse("210987654321.dkr.ecr.us-east-1.amazonaws.com/mine:v1", ACCOUNT).account == "210987654321"


ABROAD = (
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mine:v1 lies in eu-west-1, the stage in us-east-1: SageMaker pulls "
    "from its own Region alone."
)
BADLY_NAMED = {
    "": ("'' names no image: NAME:TAG or NAME@sha256:… was expected.", PUSH),
    "mine@sha256:123": ("'mine@sha256:123' names no image: NAME:TAG or NAME@sha256:… was expected.", PUSH),
    "mine": ("mine is a repository, not an image: add :TAG or @sha256:….", PUSH),
    "mine:latest": (
        "mine:latest is whatever was pushed last, so the stage would not say what it is.",
        f"Name a digest or another tag. {PUSH}",
    ),
    "docker.io/mine:v1": ("docker.io/mine is not in ECR, and SageMaker takes images from there.", PUSH),
    "localhost/mine:v1": ("localhost/mine is not in ECR, and SageMaker takes images from there.", PUSH),
    "registry:5000/mine:v1": ("registry:5000/mine is not in ECR, and SageMaker takes images from there.", PUSH),
    "public.ecr.aws/x/mine:v1": ("public.ecr.aws/x/mine is not in ECR, and SageMaker takes images from there.", PUSH),
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mine:v1": (
        ABROAD,
        "Push it there: AWS_REGION=us-east-1 ./build_and_push.sh NAME",
    ),
}


@pytest.mark.parametrize("reference", BADLY_NAMED)
def test_what_sagemaker_cannot_pull_is_refused_by_its_name(ecr, reference):
    assert refusal(ecr, reference) == BADLY_NAMED[reference]


def test_a_repository_that_is_not_there_is_said(empty_ecr):
    first, second = refusal(empty_ecr, "mine:v1")
    assert first == f"{HOST}/mine:v1 is not there: 123456789012 has no repository mine."
    assert second == PUSH


@pytest.mark.parametrize(("reference", "what"), [("mine:v1", "tag v1"), (f"mine@{DIGEST}", f"digest {DIGEST}")])
def test_an_image_that_is_not_there_is_said(empty_ecr, reference, what):
    empty_ecr.create_repository(repositoryName="mine")
    first, second = refusal(empty_ecr, reference)
    assert first == f"{HOST}/{reference} is not there: the repository mine has no {what}."
    assert second == f"Those it has: aws ecr list-images --repository-name mine. {PUSH}"


def test_an_image_that_ecr_does_not_give_is_said(ecr):
    failure = {"imageId": {"imageTag": "v1"}, "failureCode": "KmsError", "failureReason": "The key is disabled."}
    ecr.stubber.add_response("batch_get_image", {"images": [], "failures": [failure]})
    assert refusal(ecr, "mine:v1") == (f"{HOST}/mine:v1 cannot be had: KmsError: The key is disabled.",)


def test_another_accounts_image_that_may_not_be_pulled_names_both_accounts(ecr):
    ecr.stubber.add_client_error("batch_get_image", "AccessDeniedException", "No.", 400)
    other = "210987654321.dkr.ecr.us-east-1.amazonaws.com/mine:v1"
    first, second = refusal(ecr, other)
    assert first == f"{other} belongs to the account 210987654321, which does not let 123456789012 pull it."
    assert "ecr:BatchGetImage and ecr:GetDownloadUrlForLayer" in second


def test_an_image_of_ones_own_that_may_not_be_looked_at_is_said(ecr):
    ecr.stubber.add_client_error("batch_get_image", "AccessDeniedException", "You may not.", 400)
    assert refusal(ecr, "mine:v1") == (f"{HOST}/mine:v1 cannot be looked at: You may not.",)


@pytest.mark.parametrize(
    ("media_type", "what"),
    [
        (OCI, "an image"),
        (OCI_INDEX, "a list of images for several platforms"),
        (DOCKER_LIST, "a list of images for several platforms"),
    ],
)
def test_a_format_that_sagemaker_does_not_take_is_refused_with_how_to_build_rightly(ecr, media_type, what):
    holds(ecr, configuration(), told=media_type, media_type=media_type)
    first, second, third = refusal(ecr, "mine:v1")
    assert first == f"{HOST}/mine:v1 is {what} in the format {media_type}."
    assert second == f'SageMaker would say "Unsupported manifest media type {media_type}": it takes {DOCKER}.'
    assert "--provenance=false --sbom=false --output type=docker,oci-mediatypes=false" in third


def test_layers_that_are_not_gzip_are_refused(ecr):
    zstd = "application/vnd.docker.image.rootfs.diff.tar.zstd"
    holds(ecr, configuration(), layer=zstd)
    first, second = refusal(ecr, "mine:v1")
    assert first == f"{HOST}/mine:v1 has layers of the type {zstd}; SageMaker is known to take {LAYER} alone."
    assert "compression=gzip,force-compression=true" in second


def test_an_image_for_another_system_is_refused(ecr):
    content = configuration(os="windows")
    holds(ecr, content)
    expected = (f"{HOST}/mine:v1 is for windows; SageMaker runs linux.",)
    assert refusal(ecr, "mine:v1", fetch=serves(ecr, content)) == expected


def test_a_configuration_that_is_not_the_images_is_refused(ecr):
    content = configuration()
    holds(ecr, content)
    serves(ecr, content)
    (line,) = refusal(ecr, "mine:v1", fetch=lambda _: configuration(architecture="arm64"))
    assert line == f"The configuration of {HOST}/mine:v1 is not {digest_of(content)}: something on the way changed it."


def test_a_configuration_that_ecr_does_not_give_is_said(ecr):
    holds(ecr, configuration())
    ecr.stubber.add_client_error("get_download_url_for_layer", "LayersNotFoundException", "Gone.", 400)
    assert refusal(ecr, "mine:v1") == (f"The configuration of {HOST}/mine:v1 cannot be had: Gone.",)


@contextmanager
def web(status, content):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/layer"
        server.shutdown()
        thread.join()


def test_a_configuration_is_fetched_as_boto3_would():
    with web(200, b"{}") as url:
        assert images.fetch(url, {}) == b"{}"


def test_a_refused_download_is_said_without_its_signature():
    with web(403, b"no") as url, pytest.raises(Refused) as caught:
        images.fetch(f"{url}?X-Amz-Signature=secret", {})
    assert str(caught.value) == f"The image's configuration cannot be fetched: 403 from {url}"


def test_a_download_that_cannot_be_reached_is_said():
    url = f"http://127.0.0.1:{free_port()}/layer"
    with pytest.raises(Refused) as caught:
        images.fetch(f"{url}?X-Amz-Signature=secret", {})
    expected = f'The image\'s configuration cannot be fetched: Could not connect to the endpoint URL: "{url}"'
    assert str(caught.value) == expected
