"""`build_and_push.sh` with a real engine, the AWS CLI, and a registry that plays ECR."""

import json
import os
import re
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from aws.pushing import SMALL_DOCKERFILE, Checkout
from aws.registry import HOST, PASSWORD, USER
from server import ROOT, docker, until

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.timeout(600)]

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
AS_OCI = {
    DOCKER_MANIFEST: "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.container.image.v1+json": "application/vnd.oci.image.config.v1+json",
    DOCKER_LAYER: "application/vnd.oci.image.layer.v1.tar+gzip",
}
NAME = "abalone"


@pytest.fixture(scope="module")
def ecr(aws):
    return aws.client("ecr")


@pytest.fixture(scope="module")
def first(image, aws, registry, tmp_path_factory):
    """The checkout from which everything is pushed first, unmodified."""
    with closing(Checkout(tmp_path_factory.mktemp("first"), **aws.environ())) as checkout:
        yield checkout


@pytest.fixture(scope="module")
def pushed(first):
    """What `./build_and_push.sh abalone` came to."""
    done = first.push(NAME)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def other(image, aws, registry, tmp_path):
    """Another checkout, with a small image."""
    with closing(Checkout(tmp_path, **aws.environ())) as checkout:
        checkout.become_small()
        yield checkout


def known(ecr, tag, repository=NAME):
    """Return what ECR knows of an image, once it does."""

    def look():
        try:
            return ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"]
        except ecr.exceptions.ImageNotFoundException:
            return []

    return until(look, f"ECR's knowledge of {repository}:{tag}")[0]


def tags(ecr, repository=NAME):
    return {each["imageTag"] for each in ecr.list_images(repositoryName=repository)["imageIds"] if "imageTag" in each}


# -- a first push


def test_a_push_prints_the_address_by_the_registrys_digest_and_nothing_else(pushed, first, registry):
    digest = registry.manifest(NAME, first.tag).headers["Docker-Content-Digest"]
    assert pushed.stdout == f"{HOST}/{NAME}@{digest}\n"
    assert "- SageMaker can take it: Docker's manifest, layers in gzip, linux/amd64" in pushed.stderr


def test_the_contract_is_checked_before_the_push(pushed):
    checked, pushes = (pushed.stderr.index(words) for words in ("Every required clause is kept.", "- pushing to "))
    assert checked < pushes


def test_its_bill_of_materials_lies_beside_it_and_says_of_which_image_it_is(pushed, first):
    bill = first.folder / ".cache" / "sbom" / f"{NAME}-{first.tag}.cdx.json"
    assert f"- the bill of materials is .cache/sbom/{bill.name}" in pushed.stderr
    image = json.loads(bill.read_text())["metadata"]["component"]
    built = docker("image", "inspect", "--format", "{{.Id}}", f"{NAME}:{first.tag}").stdout.strip()
    assert (image["name"], image["version"]) == (NAME, first.tag)
    assert {"name": "id", "value": built} in image["properties"]


def test_what_lies_in_ecr_is_what_sagemaker_takes(pushed, first, registry):
    manifest = registry.manifest(NAME, first.tag).json()
    assert manifest["mediaType"] == DOCKER_MANIFEST
    assert {layer["mediaType"] for layer in manifest["layers"]} == {DOCKER_LAYER}


def test_a_new_repository_has_immutable_tags_scans_and_an_expiry(pushed, ecr):
    (repository,) = ecr.describe_repositories(repositoryNames=[NAME])["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    (rule,) = json.loads(ecr.get_lifecycle_policy(repositoryName=NAME)["lifecyclePolicyText"])["rules"]
    assert rule["selection"] == {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 14,
    }


def test_ecrs_password_is_not_kept(pushed, first):
    assert not (first.home / ".docker" / "config.json").exists()


def test_the_image_tells_the_commit_it_was_built_of(pushed, first):
    (labels,) = json.loads(
        docker("image", "inspect", "--format", "[{{json .Config.Labels}}]", pushed.stdout.strip()).stdout
    )
    assert labels["org.opencontainers.image.revision"] == first.git("rev-parse", "HEAD").strip()


def events_of_images(since):
    """Return what the engine has tagged, pulled, pushed or loaded in the meantime."""
    until = (datetime.now(UTC) + timedelta(milliseconds=1)).isoformat()
    return docker("events", "--since", since.isoformat(), "--until", until, "--filter", "type=image").stdout


def test_a_second_run_builds_and_pushes_nothing_and_prints_the_same(pushed, first, registry):
    asked, since = registry.requested(), datetime.now(UTC)
    again = first.push(NAME)
    assert (again.returncode, again.stdout) == (0, pushed.stdout)
    assert f"- {NAME}:{first.tag} is in ECR already" in again.stderr
    assert registry.requested() == asked
    assert f"{NAME}:{first.tag}" not in events_of_images(since)
    assert "building" not in again.stderr


def test_the_address_can_be_pulled_and_an_engine_that_has_no_copy_needs_none_to_look(pushed, first, registry, tmp_path):
    address = pushed.stdout.strip()
    docker("rmi", f"{HOST}/{NAME}:{first.tag}")
    docker("rmi", address, check=False)  # some engines have removed that with the tag
    again = first.push(NAME)
    assert (again.returncode, again.stdout) == (0, pushed.stdout), again.stderr
    assert docker("image", "inspect", address, check=False).returncode == 1
    own = ("--config", str(tmp_path))
    login = ["docker", *own, "login", "--username", USER, "--password-stdin", HOST]
    subprocess.run(login, input=PASSWORD, text=True, capture_output=True, check=True)
    docker(*own, "pull", "--quiet", address)
    docker("run", "--rm", address, "serve", "--check")


def test_a_tag_of_the_users_own_that_has_the_same_image_is_no_failure(pushed, first, registry):
    before = registry.requested()
    again = first.push(NAME, "--tag", first.tag)
    assert (again.returncode, again.stdout) == (0, pushed.stdout), again.stderr
    assert f"- {NAME}:{first.tag} is in ECR already" in again.stderr
    assert not [request for request in registry.requested()[len(before) :] if request.startswith(("PUT", "POST"))]


def test_a_tag_is_not_moved_to_another_image(pushed, first, other, registry):
    done = other.push(NAME, "--tag", first.tag)
    assert (done.returncode, done.stdout) == (1, "")
    digest = pushed.stdout.strip().partition("@")[2]
    taken = (
        rf"the tag {first.tag} of {NAME} is taken by another image, pushed 20\d\d-\d\d-\d\d \d\d:\d\d UTC, {digest};"
    )
    assert re.search(rf"{taken} its tags are immutable: choose another --tag\.", " ".join(done.stderr.split()))
    assert registry.manifest(NAME, first.tag).headers["Docker-Content-Digest"] == digest


# -- with a model


@pytest.fixture(scope="module")
def pushed_with_model(pushed, first):
    done = first.push(NAME, "--model", "models/abalone")
    assert done.returncode == 0, done.stderr
    return done


def test_a_model_is_baked_in_and_its_own_samples_are_what_the_contract_is_checked_with(pushed_with_model, ecr, first):
    (tag,) = [tag for tag in tags(ecr) if tag.startswith(f"{first.tag}-abalone-") and not tag.endswith("arm64")]
    assert pushed_with_model.stdout == f"{HOST}/{NAME}@{known(ecr, tag)['imageDigest']}\n"
    assert "the image brings no sample request" not in pushed_with_model.stderr
    image = pushed_with_model.stdout.strip()
    docker("run", "--rm", "--entrypoint", "test", image, "-f", "/opt/program/model/model.joblib")


# -- what is in ECR, and not what SageMaker takes


def put_changed(registry, ecr, tag, changes):
    """Put an image into ECR whose manifest has other words in it than that of *tag*."""
    tag_of_changed, text = f"{tag}-arm64", registry.manifest(NAME, tag).text
    for old, new in changes.items():
        text = text.replace(old, new)
    registry.put_manifest(NAME, tag_of_changed, text.encode(), json.loads(text)["mediaType"])
    return known(ecr, tag_of_changed)["imageDigest"]


def test_an_oci_manifest_is_refused_with_what_sagemaker_would_do_and_the_fix(pushed, first, registry, ecr):
    digest = put_changed(registry, ecr, first.tag, AS_OCI)
    done = first.push(NAME, "--platform", "linux/arm64")
    assert (done.returncode, done.stdout) == (1, "")
    said = " ".join(done.stderr.split())
    assert f"@{digest} is no Docker manifest, version 2, but application/vnd.oci.image.manifest.v1+json." in said
    assert "CreateModel refuses it: Unsupported manifest media type." in said
    assert "--provenance=false --sbom=false --output type=docker,oci-mediatypes=false" in said
    assert (
        f"aws ecr batch-delete-image --region us-east-1 --repository-name {NAME} --image-ids imageDigest={digest}"
        in said
    )


def test_an_image_for_another_platform_is_refused(pushed_with_model, first, ecr, registry):
    (tag,) = [tag for tag in tags(ecr) if tag.startswith(f"{first.tag}-abalone-")]
    put_changed(registry, ecr, tag, {})
    done = first.push(NAME, "--model", "abalone", "--platform", "linux/arm64")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is for linux/amd64, not for linux/arm64." in done.stderr
    assert "exec format error" in done.stderr
    assert "The fix: build it with --platform linux/arm64, under a tag of its own." in done.stderr


def put_invented(ecr, repository, tag, **changes):
    """Tell ECR of an image that the registry has never seen."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": {"digest": "sha256:" + "1" * 64, "size": 1000},
        "layers": [{"digest": "sha256:" + "2" * 64, "size": 1000, "mediaType": DOCKER_LAYER, **changes}],
    }
    ecr.create_repository(repositoryName=repository)
    ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest=json.dumps(manifest))


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        (
            {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.zstd"},
            [
                "has layers that are not Docker's in gzip: application/vnd.docker.image.rootfs.diff.tar.zstd.",
                "the endpoint may fail when it pulls the image.",
                "oci-mediatypes=false,compression=gzip,force-compression=true",
            ],
        ),
        (
            {"size": 11 * 1024**3},
            [
                "has 11 GB, more than 10 GB.",
                "A serverless endpoint refuses it",
                "find the largest layers with docker history",
            ],
        ),
        ({}, ["the registry does not say what", "was built for.", "Docker says: "]),
    ],
    ids=["zstd", "size", "unknown"],
)
def test_what_ecr_says_of_an_image_is_judged(first, ecr, changes, messages, request):
    repository = f"invented-{request.node.callspec.id}"
    put_invented(ecr, repository, first.tag, **changes)
    done = first.push(repository)
    assert (done.returncode, done.stdout) == (1, "")
    said = " ".join(done.stderr.split())
    assert [message for message in messages if message not in said] == []


# -- nothing is pushed


def test_a_refused_login_ends_it_before_anything_is_built_and_settings_of_others_stay(other, registry, ecr):
    ecr.create_repository(repositoryName="others", imageTagMutability="MUTABLE")
    before = ecr.describe_repositories(repositoryNames=["others"])["repositories"]
    registry.set_password("another")
    try:
        done = other.push("others")
    finally:
        registry.set_password(PASSWORD)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"the login to {HOST} is refused." in done.stderr
    assert "401 Unauthorized" in done.stderr
    assert "needs ecr:GetAuthorizationToken" in done.stderr
    assert "the tags of others can be moved (MUTABLE)" in done.stderr
    assert "--image-tag-mutability IMMUTABLE" in done.stderr
    assert "building" not in done.stderr
    assert ecr.describe_repositories(repositoryNames=["others"])["repositories"] == before


def test_an_image_that_breaks_the_contract_is_not_pushed(first, image, aws, registry, ecr, tmp_path):
    with closing(Checkout(tmp_path, **aws.environ())) as checkout:
        checkout.write("container/Dockerfile", f"{SMALL_DOCKERFILE}ENV SAGEMAKER_MODEL_SERVER_WORKERS=some\n")
        checkout.commit("broken")
        before = registry.requested()
        done = checkout.push("broken")
        pushed = [request for request in registry.requested()[len(before) :] if request.startswith(("PUT", "POST"))]
    assert (done.returncode, done.stdout, pushed, tags(ecr, "broken")) == (1, "", [], set())
    assert "BROKEN 1.01" in done.stderr
    assert "breaks SageMaker's contract: see the table." in done.stderr
    assert "Nothing was pushed." in done.stderr


# -- with BuildKit


@pytest.fixture(scope="module")
def buildx():
    """Return a folder to use as DOCKER_CONFIG, where Docker does not find buildx by itself."""
    if docker("buildx", "version", check=False).returncode == 0:
        return {}
    done = subprocess.run([str(ROOT / "tests/aws/buildx.sh")], capture_output=True, text=True, check=False)
    if done.returncode and os.environ.get("REQUIRE_ALL") != "1":
        pytest.skip(f"there is no buildx here, and none can be had: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return {"DOCKER_CONFIG": done.stdout.strip()}


def test_an_image_built_with_buildx_is_what_sagemaker_takes_too(other, buildx, registry):
    done = other.push("by-buildx", **buildx)
    assert done.returncode == 0, done.stderr
    manifest = registry.manifest("by-buildx", other.tag)
    assert done.stdout == f"{HOST}/by-buildx@{manifest.headers['Docker-Content-Digest']}\n"
    assert manifest.json()["mediaType"] == DOCKER_MANIFEST
    assert {layer["mediaType"] for layer in manifest.json()["layers"]} == {DOCKER_LAYER}
    assert "exporting to image" in done.stderr  # BuildKit's words
    if "DOCKER_CONFIG" in buildx:
        assert HOST not in "".join(path.read_text() for path in (ROOT / ".cache/buildx").glob("config.json"))


def test_buildx_is_given_what_makes_dockers_manifest(other, buildx):
    done = other.push("by-buildx", "--dry-run", **buildx)
    options = "--provenance=false --sbom=false --output type=docker,oci-mediatypes=false --platform linux/amd64"
    assert f"\ndocker buildx build {options} --file container/Dockerfile" in done.stdout
    assert "\ndocker build " in other.push("by-buildx", "--dry-run", DOCKER_BUILDKIT="0", **buildx).stdout
