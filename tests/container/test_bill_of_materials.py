"""What `build_and_push.sh` writes of what is in an image: valid, and what is really there."""

import hashlib
import json
import subprocess

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

from server import MODELS, ROOT, docker

pytestmark = pytest.mark.engine

BASE_DIGEST = hashlib.sha256(b"a base image").hexdigest()
TOLD = {
    "name": "team/byoc",
    "version": "1",
    "id": "sha256:0",
    "revision": "abc-dirty",
    "base": "python:3.13-slim-trixie",
    "base_digest": f"registry.example/python@sha256:{BASE_DIGEST}",
    "model": "abalone",
}
INSTALLED = """
import importlib.metadata
print(*(f"{found.metadata['Name']}=={found.version}" for found in importlib.metadata.distributions()), sep="\\n")
"""


@pytest.fixture(scope="module")
def bill(image):
    """The bill of the image, with models/abalone where a model is baked in; mounted here, for that is no build."""
    model = ("--volume", f"{MODELS / 'abalone'}:/opt/program/model:ro")
    command = ["docker", "run", "--rm", "--interactive", "--network", "none", *model, image, "python3", "-"]
    program = (ROOT / "deploy" / "push" / "sbom.py").read_text()
    ran = subprocess.run([*command, json.dumps(TOLD)], input=program, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.fixture(scope="module")
def components(bill):
    """The components by their references."""
    return {each["bom-ref"]: each for each in json.loads(bill)["components"]}


def digest_of(component):
    (found,) = component["hashes"]
    assert found["alg"] == "SHA-256"
    return found["content"]


def test_it_is_what_cyclonedx_says_a_bill_is(bill):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None


def test_it_says_of_which_image_it_is_and_what_that_stands_on(bill, components):
    image = json.loads(bill)["metadata"]["component"]
    assert (image["type"], image["name"], image["version"]) == ("container", "team/byoc", "1")
    assert {each["name"]: each["value"] for each in image["properties"]} == {"id": "sha256:0", "revision": "abc-dirty"}
    base = components["base"]
    assert (base["name"], base["version"], digest_of(base)) == ("python", "3.13-slim-trixie", BASE_DIGEST)
    assert components["os"]["name"] == "debian"
    assert components["python"]["version"].startswith("3.13.")


def test_every_python_package_is_there_with_the_hash_of_an_archive_of_the_lock(components, image):
    installed = docker("run", "--rm", image, "python", "-c", INSTALLED).stdout.split()
    found = {f"{each['name']}=={each['version']}": each for ref, each in components.items() if "pkg:pypi/" in ref}
    assert set(installed) <= set(found)
    assert set(found) - set(installed) == {key for key in found if key.startswith("pip==")}  # the base image's own
    locked = (ROOT / "container" / "requirements.txt").read_text()
    for name in installed:
        assert f"--hash=sha256:{digest_of(found[name])}" in locked
        assert canonicalize_name(found[name]["name"]) in found[name]["purl"]


def test_debians_packages_are_there_nginx_among_them(components):
    found = {each["name"]: each for ref, each in components.items() if ref.startswith("pkg:deb/debian/")}
    assert len(found) > 50
    assert found["nginx"]["purl"].endswith("&distro=debian-13")
    assert {"libc6", "dpkg", "nginx-common"} <= set(found)


def test_the_model_is_there_with_the_hash_of_each_file(components):
    model = components["model"]
    assert (model["type"], model["name"]) == ("machine-learning-model", "abalone")
    files = {each["name"]: digest_of(each) for each in model["components"]}
    content = (MODELS / "abalone" / "model.joblib").read_bytes()
    assert files["model.joblib"] == hashlib.sha256(content).hexdigest()
    listing = "".join(f"{files[name]}  {name}\n" for name in sorted(files))
    assert digest_of(model) == hashlib.sha256(listing.encode()).hexdigest()


def test_everything_hangs_on_the_image(bill, components):
    (dependency,) = json.loads(bill)["dependencies"]
    assert dependency["ref"] == "image"
    assert set(dependency["dependsOn"]) == set(components)
