"""
Print what is in this image, as CycloneDX JSON. `build_and_push.sh` runs it in the image, with the image's own Python.

It takes no package but the standard library. What it is told: {"name", "version", "id", "revision"} of the image,
{"base", "base_digest"} and the name of the "model", as one JSON object in its only argument.
"""  # noqa: INP001 - a program for another machine, no module of a package

import hashlib
import json
import platform
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

PACKAGES = Path("/opt/venv")
WHEELS = PACKAGES / "wheels.sha256"  # from which the packages were installed; the Dockerfile writes it
MODEL = Path("/opt/program/model")
DEBIAN = ("dpkg-query", "--show", "--showformat", "${Package}\t${Version}\t${Architecture}\n")

Component = dict[str, Any]


def sha256(digest: str) -> list[dict[str, str]]:
    """Return a component's hashes."""
    return [{"alg": "SHA-256", "content": digest}]


def python_packages() -> Iterator[Component]:
    """Yield the Python packages, those of the base image too; those of ours with the hash of their archive."""
    archives = {tuple(line.split()[1:]): line.split()[0] for line in WHEELS.read_text().splitlines()}
    of_the_base = sysconfig.get_path("purelib", vars={"base": sys.base_prefix})
    for found in distributions(path=[*sys.path, of_the_base]):
        name, version = found.metadata["Name"], found.version
        purl = f"pkg:pypi/{quote(name.lower().replace('_', '-').replace('.', '-'))}@{quote(version)}"
        digest = archives.get((name, version), "-")
        yield library(name, version, purl) | ({"hashes": sha256(digest)} if digest != "-" else {})


def debian_packages(release: str) -> Iterator[Component]:
    """Yield Debian's packages."""
    listed = subprocess.run(DEBIAN, capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        name, version, architecture = line.split("\t")
        place = f"arch={architecture}&distro=debian-{release}"
        yield library(name, version, f"pkg:deb/debian/{quote(name)}@{quote(version)}?{place}")


def library(name: str, version: str, purl: str) -> Component:
    """Return a package."""
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def model(name: str) -> Iterator[Component]:
    """Yield the model that is baked in, with the hash of each of its files and of what `sha256sum` prints of them."""
    files = sorted(path for path in MODEL.rglob("*") if path.is_file()) if MODEL.is_dir() else []
    if not files:
        return
    digests = {str(path.relative_to(MODEL)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    listing = "".join(f"{digest}  {path}\n" for path, digest in digests.items())
    yield {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": name or "model",
        "hashes": sha256(hashlib.sha256(listing.encode()).hexdigest()),
        "components": [
            {"type": "file", "bom-ref": f"model/{path}", "name": path, "hashes": sha256(digest)}
            for path, digest in digests.items()
        ],
    }


def platforms(told: dict[str, str], release: dict[str, str]) -> Iterator[Component]:
    """Yield what everything stands on: the base image, its system and its Python."""
    if told["base"]:
        name, _, tag = told["base"].partition(":")
        digest = told["base_digest"].rpartition("sha256:")[2]
        known = {"hashes": sha256(digest)} if digest else {}
        yield {"type": "container", "bom-ref": "base", "name": name, "version": tag or "latest", **known}
    yield {"type": "operating-system", "bom-ref": "os", "name": release["ID"], "version": release["VERSION_ID"]}
    version = platform.python_version()
    yield {"type": "platform", "bom-ref": "python", "name": "cpython", "version": version}


def os_release() -> dict[str, str]:
    """Return what the system says of itself."""
    lines = Path("/etc/os-release").read_text().splitlines()
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def bill(told: dict[str, str]) -> dict[str, Any]:
    """Return the bill of materials of this image."""
    release = os_release()
    packages = [*python_packages(), *debian_packages(release["VERSION_ID"])]
    components = [*platforms(told, release), *model(told["model"]), *packages]
    properties = [{"name": name, "value": told[name]} for name in ("id", "revision") if told[name]]
    image = {"type": "container", "bom-ref": "image", "name": told["name"], "version": told["version"]}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "lifecycles": [{"phase": "post-build"}],
            "tools": {"components": [{"type": "application", "name": "build_and_push.sh"}]},
            "component": {**image, "properties": properties},
        },
        "components": components,
        "dependencies": [{"ref": "image", "dependsOn": [each["bom-ref"] for each in components]}],
    }


if __name__ == "__main__":
    json.dump(bill(json.loads(sys.argv[1])), sys.stdout, indent=1)
    sys.stdout.write("\n")
