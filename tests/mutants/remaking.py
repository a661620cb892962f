"""Changes that no Dockerfile can make to an image: for another processor, or with another manifest in a registry."""

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests

from ports import free_port
from server import ROOT, docker, until

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI = {
    DOCKER_MANIFEST: "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.container.image.v1+json": "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
}
ZSTD = {"diff.tar.gzip": "diff.tar.zstd"}
REGISTRY = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "{address}"}}
"""


@contextmanager
def for_s390x(image: str) -> Iterator[str]:
    """Give a copy of the image that says it was built for a mainframe; it runs here all the same."""
    copy = f"{image}-s390x"
    with TemporaryDirectory(prefix="mutant-") as folder:
        saved, unpacked = Path(folder, "saved.tar"), Path(folder, "saved")
        docker("save", "--output", str(saved), image)
        with tarfile.open(saved) as archive:
            archive.extractall(unpacked, filter="data")
        rewrite_configuration(unpacked, copy)
        with tarfile.open(saved, "w") as archive:
            archive.add(unpacked, arcname=".")
        docker("load", "--input", str(saved))
    try:
        yield copy
    finally:
        docker("rmi", "--force", copy, check=False)


def rewrite_configuration(unpacked: Path, name: str) -> None:
    """Change the processor in a saved image's configuration, whose file is named after its content; and its name."""
    manifest = json.loads((unpacked / "manifest.json").read_text())
    configuration = json.loads((unpacked / manifest[0]["Config"]).read_text())
    content = json.dumps({**configuration, "architecture": "s390x"}).encode()
    changed = f"{sha256(content).hexdigest()}.json"
    (unpacked / changed).write_bytes(content)
    manifest[0].update({"Config": changed, "RepoTags": [name]})
    (unpacked / "manifest.json").write_text(json.dumps(manifest))


@contextmanager
def pushed(image: str, changes: dict[str, str]) -> Iterator[str]:
    """Give the image's name in a registry where its manifest has other words in it."""
    with registry() as address:
        name = f"{address}/mutant:latest"
        docker("tag", image, name)
        try:
            docker("push", name)
            change_manifest(f"http://{address}/v2/mutant/manifests/latest", changes)
            yield name
        finally:
            docker("rmi", name, check=False)


def change_manifest(url: str, changes: dict[str, str]) -> None:
    """Replace words in the manifest at a registry."""
    text = requests.get(url, headers={"Accept": DOCKER_MANIFEST}, timeout=10).text
    for old, new in changes.items():
        text = text.replace(old, new)
    answer = requests.put(url, data=text, headers={"Content-Type": json.loads(text)["mediaType"]}, timeout=10)
    assert answer.status_code == 201, answer.text


@contextmanager
def registry() -> Iterator[str]:
    """Run a registry on this machine and give its address."""
    require_registry()
    address = f"127.0.0.1:{free_port()}"
    with TemporaryDirectory(prefix="mutant-") as folder:
        configuration = Path(folder, "registry.yml")
        configuration.write_text(REGISTRY.format(folder=folder, address=address))
        with subprocess.Popen(
            ["docker-registry", "serve", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                until(lambda: answers(f"http://{address}/v2/"), "the registry")
                yield address
            finally:
                process.terminate()


def answers(url: str) -> bool:
    """Tell whether there is a registry."""
    try:
        return requests.get(url, timeout=2).ok
    except requests.ConnectionError:
        return False


def require_registry() -> None:
    """Install Debian's registry where that is possible; skip, or fail if REQUIRE_ALL=1, where there is none."""
    if shutil.which("docker-registry"):
        return
    install = ["bash", "-c", 'source "$0"; ensure_debian_packages docker-registry', str(ROOT / "local_test" / "lib.sh")]
    done = subprocess.run(install, capture_output=True, check=False)
    if done.returncode:
        give_up = pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip
        give_up("docker-registry is not installed, and only root on Debian can have it installed by this test")


REMAKE: dict[str, Callable[[str], AbstractContextManager[str]]] = {
    "": nullcontext,
    "for s390x": for_s390x,
    "as an OCI manifest": lambda image: pushed(image, OCI),
    "with zstd layers": lambda image: pushed(image, ZSTD),
}
